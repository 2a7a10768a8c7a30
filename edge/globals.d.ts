// What workerd has and its type package does not declare yet.
interface Uint8Array<TArrayBuffer extends ArrayBufferLike = ArrayBufferLike> {
  toBase64(): string;
}
interface Uint8ArrayConstructor {
  /** Throws SyntaxError for text that is not base64. */
  fromBase64(text: string): Uint8Array<ArrayBuffer>;
}
