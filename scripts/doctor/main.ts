// Runs all examinations in turn and prints one line per finding. Exit code 1 if there is a fault.

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../dev-server/options.ts";
import { devUrl, examineDataFolder, examineDevVars, examineEnvironments, examinePort } from "./configuration.ts";
import { type Examination, type Finding, fault } from "./finding.ts";
import { examineDisk, examineEngine, examineMemory } from "./machine.ts";
import { examineEmail } from "./email.ts";
import { examineBackend, examineEdge } from "./running.ts";

const USAGE = "npm run doctor -- [--data DIR] [--port N] [--url URL] [--backend URL] [--email ADDRESS]";
const MARKS: Readonly<Record<Finding["kind"], string>> = { well: "ok   ", note: "note ", fault: "FAULT" };

export async function main(
  args: readonly string[],
  say: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "string") {
    say(`${options} Usage: ${USAGE}`);
    return 1;
  }
  const findings: Finding[] = [];
  for (const examine of examinationsOf(options)) {
    for (const finding of await safely(examine)) {
      findings.push(finding);
      say(`${MARKS[finding.kind]} ${finding.what}${finding.kind === "well" ? "" : `\n      → ${finding.cure}`}`);
    }
  }
  const faults = findings.filter(({ kind }) => kind === "fault").length;
  say(faults === 0 ? "\nNothing is wrong." : `\n${faults} ${faults === 1 ? "fault" : "faults"}.`);
  return faults === 0 ? 0 : 1;
}

interface Options {
  readonly dataDir: string;
  readonly port: number;
  readonly url: string | undefined;
  readonly backend: string | undefined;
  readonly email: string | undefined;
}

/** With --url, --backend or --email only those are examined: they are usually elsewhere. */
function examinationsOf({ dataDir, port, url, backend, email }: Options): readonly Examination[] {
  const remote: Examination[] = [];
  if (url !== undefined) remote.push(() => examineEdge(url));
  if (backend !== undefined) remote.push(() => examineBackend(backend, process.env["BACKEND_SECRET"]));
  if (email !== undefined) remote.push(() => examineEmail(email, process.env, fetch));
  if (remote.length > 0) return remote;
  const local: Examination[] = [
    () => examineMemory(),
    () => examineDisk(dataDir),
    () => examineEngine(),
    () => examineDataFolder(dataDir),
    () => examinePort(port, dataDir),
    () => examineDevVars(resolve(ROOT, ".dev.vars")),
    () => examineEnvironments(),
  ];
  const running = devUrl(dataDir);
  return running === undefined ? local : [...local, () => examineEdge(running)];
}

async function safely(examine: Examination): Promise<readonly Finding[]> {
  try {
    return await examine();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [fault(`an examination broke: ${reason}`, "This is a mistake of the doctor's: please report it.")];
  }
}

function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        data: { type: "string" },
        port: { type: "string", default: "8787" },
        url: { type: "string" },
        backend: { type: "string" },
        email: { type: "string" },
      },
    });
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return `--port is ${values.port}, not 1 to 65535.`;
    for (const [flag, value] of [["--url", values.url] as const, ["--backend", values.backend] as const]) {
      if (value !== undefined && !URL.canParse(value)) return `${flag} is ${value}, which is no URL.`;
    }
    const trimmed = (text: string | undefined) => text?.replace(/\/+$/, "");
    return {
      dataDir: resolve(ROOT, values.data ?? ".data"),
      port,
      url: trimmed(values.url),
      backend: trimmed(values.backend),
      email: values.email,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
