// Forms as clients send them, cut into any pieces, and invalid forms.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { joinBytes } from "../../../edge/lib/collect-bytes.ts";
import { boundaryOf, readForm } from "../../../edge/files/multipart.ts";
import { ApiError } from "../../../shared/errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: false });
const BOUNDARY = "----boundary";

interface Part {
  readonly name: string;
  readonly filename: string | undefined;
  readonly bytes: Uint8Array;
}

async function* inPieces(bytes: Uint8Array, size: (offset: number) => number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length;) {
    const to = Math.min(bytes.length, from + Math.max(1, size(from)));
    yield bytes.slice(from, to);
    from = to;
  }
}

async function read(bytes: Uint8Array, size: (offset: number) => number = () => bytes.length): Promise<Part[]> {
  const parts: { name: string; filename: string | undefined; pieces: Uint8Array[] }[] = [];
  for await (const event of readForm(inPieces(bytes, size), BOUNDARY)) {
    if (event.kind === "part") parts.push({ name: event.name, filename: event.filename, pieces: [] });
    else parts.at(-1)?.pieces.push(event.bytes);
  }
  return parts.map(({ name, filename, pieces }) => ({ name, filename, bytes: joinBytes(pieces) }));
}

function written(parts: readonly Part[], boundary = BOUNDARY): Uint8Array {
  const pieces = parts.flatMap(({ name, filename, bytes }) => [
    encoder.encode(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${filename === undefined ? "" : `; filename="${filename}"`}\r\n\r\n`,
    ),
    bytes,
    encoder.encode("\r\n"),
  ]);
  return joinBytes([...pieces, encoder.encode(`--${boundary}--\r\n`)]);
}

function failure(bytes: Uint8Array): Promise<unknown> {
  return read(bytes).catch((error: unknown) => error);
}

describe("a form", () => {
  test("gives each part whole, however its bytes are cut, even if they look like a boundary", async () => {
    const content = fc
      .array(
        fc.oneof(
          fc.constantFrom(`\r\n--${BOUNDARY}`.slice(0, -1), "\r\n--", "\r", "\n", "--", BOUNDARY, "\r\n\r\n", "\0"),
          fc.string(),
        ),
        { maxLength: 12, size: "max" },
      )
      .map((pieces) => pieces.join(""))
      .filter((text) => !`\r\n${text}\r\n`.includes(`\r\n--${BOUNDARY}`));
    await fc.assert(
      fc.asyncProperty(
        fc.array(content, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(9), { minLength: 1 }),
        async (texts, sizes) => {
          const parts = texts.map((text, index) => ({
            name: `f${index}`,
            filename: undefined,
            bytes: encoder.encode(text),
          }));
          const got = await read(written(parts), (offset) => 1 + (sizes[offset % sizes.length] ?? 0));
          expect(got.map(({ name, bytes }) => [name, decoder.decode(bytes)])).toEqual(
            texts.map((text, index) => [`f${index}`, text]),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  test("of arbitrary bytes gives its parts or a fault of the caller", async () => {
    const soup = fc.array(
      fc.constantFrom(
        "--",
        BOUNDARY,
        `--${BOUNDARY}`,
        "\r\n",
        ":",
        ";",
        '"',
        "content-disposition",
        "form-data",
        "name=",
        "a",
        "\0",
        " ",
      ),
      { maxLength: 40, size: "max" },
    );
    await fc.assert(
      fc.asyncProperty(soup, async (pieces) => {
        const outcome = await failure(encoder.encode(pieces.join("")));
        expect(Array.isArray(outcome) || outcome instanceof ApiError).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['name="file"; filename="a.jsonl"', "file", "a.jsonl"],
    ['name="file"; filename="a \\"b\\"; c.jsonl"', "file", 'a "b"; c.jsonl'],
    ['name="file"; filename="a%22b.jsonl"', "file", 'a"b.jsonl'],
    ["name=file; filename=a.jsonl", "file", "a.jsonl"],
    ['filename="naïve.jsonl"; name="file"', "file", "naïve.jsonl"],
    [`name="file"; filename="x"; filename*=UTF-8''na%C3%AFve.jsonl`, "file", "naïve.jsonl"],
    ['name=""', "", undefined],
  ])("whose part says %s has that name", async (disposition, name, filename) => {
    const text = `--${BOUNDARY}\r\nContent-Type: text/plain\r\ncontent-disposition:form-data; ${disposition}\r\n\r\nx\r\n--${BOUNDARY}--`;
    expect(await read(encoder.encode(text))).toEqual([{ name, filename, bytes: encoder.encode("x") }]);
  });

  test("may have a preamble, padding after boundaries, an epilogue, and parts without content", async () => {
    const text = `preamble\r\n--${BOUNDARY} \t\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--${BOUNDARY}--\r\nepilogue`;
    expect(await read(encoder.encode(text))).toEqual([{ name: "a", filename: undefined, bytes: new Uint8Array() }]);
  });

  test.each([
    ["that breaks off", `--${BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\nx`],
    ["without a boundary", "hello"],
    ["that is empty", ""],
    ["whose part has no name", `--${BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nx\r\n--${BOUNDARY}--`],
    ["whose boundary goes on", `--${BOUNDARY}x\r\n\r\nx\r\n--${BOUNDARY}--`],
    ["with an endless head", `--${BOUNDARY}\r\n${"a".repeat(20_000)}`],
  ])("%s is refused", async (_, text) => {
    expect(await failure(encoder.encode(text))).toMatchObject({ fault: { code: "invalid_request" } });
  });

  test("with too many parts is refused", async () => {
    const parts = Array.from({ length: 17 }, () => ({ name: "a", filename: undefined, bytes: new Uint8Array() }));
    expect(await failure(written(parts))).toMatchObject({ fault: { code: "invalid_request" } });
  });
});

describe("a content type", () => {
  test.each([
    ["multipart/form-data; boundary=abc", "abc"],
    ['Multipart/Form-Data; charset=utf-8; boundary="a b"', "a b"],
    ["multipart/form-data;boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", "----WebKitFormBoundary7MA4YWxkTrZu0gW"],
  ])("%s names its boundary", (type, boundary) => {
    expect(boundaryOf(type)).toBe(boundary);
  });

  test.each([undefined, "application/json", "multipart/form-data", `multipart/form-data; boundary=${"x".repeat(71)}`])(
    "%s names none",
    (type) => {
      expect(() => boundaryOf(type)).toThrow(ApiError);
    },
  );
});
