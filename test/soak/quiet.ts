// A quiet customer of what `npm start` serves: calls so far apart that the account's object sleeps between them, then
// silence, then the dashboard. Every call is covered, so every one must be served, and each header must say so.

import { call, removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";

export interface QuietOptions {
  readonly calls: number;
  readonly everyMs: number;
}

/** A lease's life and the object's margin, and some. */
const SILENCE_MS = 45_000;

/** Whether everything was as it should be. Writes what it sees to stdout. */
export async function soakQuietly({ calls, everyMs }: QuietOptions): Promise<boolean> {
  const folder = temporaryFolder();
  const server = await startTestServer(folder);
  const { url, apiKey, adminKey, model, accountId } = server;
  const faults: string[] = [];
  const expectStatus = (what: string, status: number, wanted: number): void => {
    if (status !== wanted) faults.push(`${what}: ${status}`);
  };
  try {
    let spentUsd = 0;
    let served = 0;
    for (let index = 1; index <= calls; index += 1) {
      const answer = await call(url, apiKey, "/v1/embeddings", { model, input: `quiet ${index}` });
      expectStatus(`call ${index}`, answer.status, 200);
      served += Number(answer.status === 200);
      spentUsd += Number(answer.headers.get("x-cost-usd"));
      const leftUsd = Number(answer.headers.get("x-credit-remaining-usd"));
      const leftTokens = answer.headers.get("x-ratelimit-remaining-tokens");
      if (Math.abs(leftUsd - (5 - spentUsd)) > 1e-9)
        faults.push(`call ${index} is told of $${leftUsd}, spent $${spentUsd}`);
      say(`${index}: ${answer.status}, $${leftUsd} left, ${leftTokens} tokens left in this minute`);
      await pause(everyMs);
    }
    await pause(SILENCE_MS);
    expectStatus("the first read after silence", (await call(url, apiKey, "/v1/usage")).status, 200);
    await pause(SILENCE_MS);
    const form = { origin: url, "content-type": "application/x-www-form-urlencoded" };
    const body = new URLSearchParams({ key: apiKey });
    const signIn = await fetch(`${url}/dashboard/sign-in`, { method: "POST", headers: form, body, redirect: "manual" });
    expectStatus("the sign-in after silence", signIn.status, 303);
    await pause(SILENCE_MS);
    const account = (await call(url, adminKey, `/admin/accounts/${accountId}`)).body;
    if (Number(account["held_nano_usd"]) !== 0) faults.push(`held at the end: ${String(account["held_nano_usd"])}`);
    const charged = Number(account["charged_nano_usd"]) / 1e9;
    if (Math.abs(charged - spentUsd) > 1e-9) faults.push(`charged $${charged}, said $${spentUsd}`);
    for (const fault of faults) say(`BAD   ${fault}`);
    say(`${served} of ${calls} served; verdict: ${faults.length === 0 ? "good" : "BAD"}`);
    return faults.length === 0;
  } finally {
    await server.stop();
    removeFolder(folder);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
