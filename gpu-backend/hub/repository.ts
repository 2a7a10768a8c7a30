// `owner/name[@revision]`, and which files of such a repository a checkpoint needs. Pure.

import { isFileName } from "../checkpoint/plain-file.ts";

export interface Repository {
  /** `owner/name` */
  readonly name: string;
  /** Branch, tag, commit, or a reference such as `refs/pr/1`. */
  readonly revision: string;
}

const PART = "[A-Za-z0-9][A-Za-z0-9._-]*";
const REPOSITORY = new RegExp(`^(${PART}/${PART})(?:@(${PART}(?:/${PART})*))?$`);
const DEFAULT_REVISION = "main";

/** Settings of a module of sentence-transformers: `1_Pooling/config.json`. */
const MODULE_CONFIG = /^\d+_[A-Za-z]+\/config\.json$/;

/** Undefined for what is no repository's name. */
export function parseRepository(text: string): Repository | undefined {
  const [, name, revision] = REPOSITORY.exec(text) ?? [];
  if (name === undefined || text.includes("..")) return undefined;
  return { name, revision: revision ?? DEFAULT_REVISION };
}

/** Weights, configuration, tokenizer; no other framework's weights, no ONNX exports, nothing that is code. */
export function isNeeded(path: string): boolean {
  if (path === "merges.txt" || path === "chat_template.jinja" || MODULE_CONFIG.test(path)) return true;
  return isFileName(path) && /\.(?:safetensors|json)$/.test(path);
}
