// Calls POST /admin/reconcile page by page and prints what the operator has to know.

import { parseArgs } from "node:util";
import * as z from "zod";

const USAGE = "ADMIN_KEY=… npm run reconcile -- --url https://OPERATOR-HOST [--days N]";
const ANSWER_MS = 120_000;

const pageSchema = z.object({
  checked: z.number(),
  missed: z.array(z.string()),
  refused: z.array(z.object({ event: z.string(), reason: z.string() })),
  next: z.nullable(z.string()),
});

/** Exit code: 0 the books agree with Stripe (now), 1 an event is refused or a call failed. */
export async function reconcile(
  args: readonly string[],
  say: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<number> {
  try {
    const { url, days, key } = readOptions(args, environment);
    let [checked, missed, refused] = [0, 0, 0];
    for (let after: string | null | undefined; after !== null;) {
      const page: z.output<typeof pageSchema> = await ask(url, key, { days, ...(after !== undefined && { after }) });
      checked += page.checked;
      missed += page.missed.length;
      refused += page.refused.length;
      for (const event of page.missed) say(`missed, in the books now: ${event}`);
      for (const { event, reason } of page.refused) say(`REFUSED ${event}: ${reason}`);
      after = page.next;
    }
    say(`${checked} events of ${days} days: ${missed} had been missed, ${refused} are refused`);
    return refused === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    say(error.message);
    return 1;
  }
}

async function ask(url: string, key: string, body: object): Promise<z.output<typeof pageSchema>> {
  const response = await fetch(`${url}/admin/reconcile`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url} answers ${response.status}: ${text.slice(0, 300)}`);
  return pageSchema.parse(JSON.parse(text));
}

function readOptions(args: readonly string[], environment: Readonly<Record<string, string | undefined>>) {
  const { values } = parseArgs({ args: [...args], options: { url: { type: "string" }, days: { type: "string" } } });
  const { url } = values;
  const days = Number(values.days ?? "3");
  const key = environment["ADMIN_KEY"];
  if (url === undefined || !URL.canParse(url))
    throw new Error(`--url is ${url ?? "missing"}, not a URL. Usage: ${USAGE}`);
  if (key === undefined || key === "") throw new Error(`ADMIN_KEY is missing. Usage: ${USAGE}`);
  return { url: url.replace(/\/+$/, ""), days, key };
}
