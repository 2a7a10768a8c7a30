// The data folder of a development machine: secrets that are created once, and files that other programs read. Files
// are written with mode 600 and to a temporary name first, so that a kill leaves either the old or the new file.

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";

export const SECRET_NAMES = [
  "ADMIN_KEY",
  "BACKEND_SECRET",
  "KEY_TAG_SECRET",
  "KEY_PEPPER",
  "STORAGE_SECRET",
  "CACHE_HMAC_KEY",
  "SESSION_SECRET",
  "SIGNING_KEY",
] as const;
export type Secrets = Readonly<Record<(typeof SECRET_NAMES)[number], string>>;

/** The content of DIR/dev.json, written when everything is ready (docs/storage.md, A development machine). */
export interface DevFile {
  readonly url: string;
  readonly apiKey: string;
  readonly adminKey: string;
  readonly model: string;
  readonly backendUrl: string;
}

/** The development account of this folder: the same key at every start. */
export interface DevAccount {
  readonly accountId: string;
  readonly apiKey: string;
}

export class DataFolder {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true });
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Reads the secrets and creates missing ones. */
  secrets(): Secrets {
    const known = this.#read("secrets.json") ?? {};
    const secrets = Object.fromEntries(
      SECRET_NAMES.map((name) => [name, stringOf(known, name) ?? randomBytes(32).toString("base64url")]),
    );
    if (SECRET_NAMES.some((name) => stringOf(known, name) === undefined))
      this.#write("secrets.json", { ...known, ...secrets });
    return {
      ADMIN_KEY: "",
      BACKEND_SECRET: "",
      KEY_TAG_SECRET: "",
      KEY_PEPPER: "",
      STORAGE_SECRET: "",
      CACHE_HMAC_KEY: "",
      SESSION_SECRET: "",
      SIGNING_KEY: "",
      ...secrets,
    };
  }

  account(): DevAccount | undefined {
    const known = this.#read("dev-account.json");
    const accountId = stringOf(known, "accountId");
    const apiKey = stringOf(known, "apiKey");
    return accountId === undefined || apiKey === undefined ? undefined : { accountId, apiKey };
  }

  writeAccount(account: DevAccount): void {
    this.#write("dev-account.json", account);
  }

  writeDevFile(file: DevFile): void {
    this.#write("dev.json", file);
  }

  removeDevFile(): void {
    rmSync(this.path("dev.json"), { force: true });
  }

  #read(name: string): unknown {
    const path = this.path(name);
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as unknown) : undefined;
  }

  #write(name: string, value: unknown): void {
    const temporary = this.path(`${name}.${process.pid}.tmp`);
    writeFileSync(temporary, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
    chmodSync(temporary, 0o600);
    renameSync(temporary, this.path(name));
  }
}

function stringOf(value: unknown, name: string): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const field: unknown = Reflect.get(value, name);
  return typeof field === "string" ? field : undefined;
}
