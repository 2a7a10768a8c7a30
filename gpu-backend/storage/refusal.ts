// Why a file system refuses a write, in words for who runs the server.

/** The system's error code (`ENOSPC`), or undefined for what is no system error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  EROFS: "is on a read-only file system",
  EACCES: "may not be written by this user",
  EPERM: "may not be written by this user",
  ENOSPC: "has no space left",
  EDQUOT: "is over its quota",
  EFBIG: "takes no file of this size",
  // What mkdir says where a file is in the way, and in file systems that are the kernel's own.
  EEXIST: "is no folder",
  ENOTDIR: "is no folder",
  ENOENT: "cannot be made",
};

/** What may be said of a folder that could not be written, or undefined for an error of another kind. */
export function refusalOf(error: unknown): string | undefined {
  return REASONS[codeOf(error) ?? ""];
}
