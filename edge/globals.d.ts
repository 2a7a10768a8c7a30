// What workerd has and its type package does not declare yet.
interface Uint8Array<TArrayBuffer extends ArrayBufferLike = ArrayBufferLike> {
  toBase64(options?: { alphabet: "base64url"; omitPadding: true }): string;
  /** Lower-case hex. */
  toHex(): string;
}
interface Uint8ArrayConstructor {
  /** Throws SyntaxError for text that is not base64. */
  fromBase64(text: string, options?: { alphabet: "base64url" }): Uint8Array<ArrayBuffer>;
}

// What workerd has of Node's modules (nodejs_compat), as far as it is used here: their types would bring Node's globals.
declare module "node:zlib" {
  import type { Duplex } from "node:stream";

  /** Throws RangeError once more than `maxOutputLength` bytes have come out, Error for what is not gzip. */
  export function gunzipSync(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array<ArrayBuffer>;
  export function createGunzip(): Duplex;
}
declare module "node:stream" {
  export interface Duplex extends AsyncIterable<Uint8Array> {}
  export const Readable: { from(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> };
  /** Calls `done` with how it ended; an error on either side destroys both. */
  export function pipeline(from: AsyncIterable<Uint8Array>, to: Duplex, done: () => void): void;
}
declare module "node:crypto" {
  interface Hash {
    update(data: Uint8Array | string): this;
    digest(): Uint8Array;
  }
  export function createHash(algorithm: "sha256"): Hash;
}
