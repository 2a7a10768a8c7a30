// The types of a stored file: facts that its owner sees, and the list of encrypted chunks that make its content.

import type { AccountId, Id } from "../../shared/ids.ts";

export type FileId = Id<"file">;
export type BatchId = Id<"batch">;

/** The account and file that a chunk belongs to: it can be decrypted under no other. */
export interface FilePlace {
  readonly accountId: AccountId;
  readonly fileId: FileId;
}

/** One object in R2. `name`: its last path segment; `bytes`: of the plaintext. */
export interface FileChunk {
  readonly name: string;
  readonly bytes: number;
}

/**
 * `lines`: the concatenated chunks are the file. `results`: the chunks hold canonical vectors (results.ts), from which
 * the file is written as it is read: a fifth of the storage of its text.
 */
export interface FileContent {
  readonly format: "lines" | "results";
  readonly chunks: readonly FileChunk[];
}

export const FILE_PURPOSES = ["batch", "batch_output"] as const;
export type FilePurpose = (typeof FILE_PURPOSES)[number];

/** What its owner sees of a file. Times are Unix ms. */
export interface FileFacts extends FilePlace {
  readonly purpose: FilePurpose;
  readonly filename: string;
  /** Of the file as it is downloaded. */
  readonly bytes: number;
  /** Lines that are not blank. */
  readonly lines: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface FileRecord extends FileFacts {
  readonly content: FileContent;
}

export const FILE_LIMITS = {
  /** Content of one file; Cloudflare's free and pro plans take request bodies of 100 MB. */
  bytesMax: 100 * 1000 * 1000,
  linesMax: 50_000,
  /** Everything around the content in a multipart body. */
  formBytesMax: 64 * 1024,
  lifeMs: 30 * 86_400_000,
  lifeMsMin: 3_600_000,
  /** An upload that takes longer is abandoned. */
  uploadMsMax: 86_400_000,
  /** Files of one account, those being uploaded included. */
  filesMax: 10_000,
  /** Stored bytes of one account, above which uploads are refused: storage is not charged for. */
  storedBytesMax: 20 * 1000 * 1000 * 1000,
  /** Uploads of one account at a time: each holds memory that other requests need. */
  uploadsMax: 4,
  /** Older unfinished uploads do not count against `uploadsMax`: a crash's leftovers must not lock an account out. */
  uploadsWindowMs: 600_000,
} as const;

/** The pace below which an upload is stopped, because it holds memory. */
export const PATIENCE = { idleMs: 30_000, graceMs: 15_000, bytesPerSecondMin: 16 * 1024 };
