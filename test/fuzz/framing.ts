// Fuzzing the framing of HTTP/1.1 requests (scripts/dev-server): good requests pass as they are, and however bytes are
// cut into packets, what is passed on and what is refused stays the same.
import * as fc from "fast-check";
import { assert } from "../../shared/assert.ts";
import { RequestFraming } from "../../scripts/dev-server/request-framing.ts";

const token = fc.string({ unit: fc.constantFrom(...Array.from("abcXYZ019-_")), minLength: 1, maxLength: 8 });
const body = fc.string({ unit: fc.constantFrom(...Array.from("ab{}\r\n0 ")), maxLength: 40 });
const request = fc
  .record({
    method: fc.constantFrom("GET", "POST", "DELETE"),
    path: token,
    headers: fc.array(fc.tuple(token, token), { maxLength: 4 }),
    text: body,
    chunks: fc.option(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 }), { nil: undefined }),
  })
  .map(({ method, path, headers, text, chunks }) => {
    const lines = headers.map(([name, value]) => `X-${name}: ${value}\r\n`).join("");
    const head = `${method} /${path} HTTP/1.1\r\nHost: x\r\n${lines}`;
    if (chunks === undefined) return `${head}Content-Length: ${text.length}\r\n\r\n${text}`;
    let rest = text;
    const pieces = chunks.map((size) => {
      const piece = rest.slice(0, size);
      rest = rest.slice(size);
      return piece;
    });
    const chunked = [...pieces, rest].filter((piece) => piece !== "");
    const encoded = chunked.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("");
    return `${head}Transfer-Encoding: chunked\r\n\r\n${encoded}0\r\n\r\n`;
  });
const stream = fc.array(request, { minLength: 1, maxLength: 4 }).map((list) => list.join(""));

const JUNK = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  ":",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "zz\r\n",
  "é",
];
const damaged = fc
  .tuple(stream, fc.array(fc.tuple(fc.nat(), fc.constantFrom(...JUNK), fc.nat(6)), { minLength: 1, maxLength: 3 }))
  .map(([text, list]) =>
    list.reduce((bytes, [at, junk, drop]) => {
      const place = at % bytes.length;
      return bytes.slice(0, place) + junk + bytes.slice(place + drop);
    }, text),
  );

function run(text: string, cuts: readonly number[]): { passed: string; refused: boolean } {
  const framing = new RequestFraming();
  const bytes = Buffer.from(text, "latin1");
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  let passed = "";
  for (const [index, from] of [0, ...places].entries()) {
    const { pieces, refusal } = framing.push(bytes.subarray(from, places[index] ?? bytes.length));
    passed += Buffer.concat(pieces).toString("latin1");
    if (refusal !== undefined) return { passed, refused: true };
  }
  return { passed, refused: false };
}

const cuts = fc.array(fc.nat(), { maxLength: 8 });

export const goodRequests = fc.property(stream, cuts, (text, places) => {
  const { passed, refused } = run(text, places);
  assert(!refused && passed === text, "good requests pass unchanged");
});

export const damagedRequests = fc.property(damaged, cuts, (text, places) => {
  const whole = run(text, []);
  const cut = run(text, places);
  assert(whole.refused === cut.refused, "packets do not decide what is refused");
  // A body that breaks off may have passed in part: what passed of it is a beginning of what passed whole.
  assert(
    whole.refused
      ? whole.passed.startsWith(cut.passed) || cut.passed.startsWith(whole.passed)
      : whole.passed === cut.passed,
    "packets do not decide what passes",
  );
});
