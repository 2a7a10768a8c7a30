// base64url without padding, as JSON Web Keys, signatures and cookies have it (RFC 4648, section 5).

export function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
