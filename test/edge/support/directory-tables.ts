// The directory's tables inside workerd, as the migrations make them in production; once per test file, and only in
// those that ask.
import { applyD1Migrations, env } from "cloudflare:test";

let made: Promise<void> | undefined;

export function directoryTables(): Promise<void> {
  made ??= applyD1Migrations(env.DIRECTORY, env.TEST_MIGRATIONS);
  return made;
}

/** Storage has been emptied. */
export function forgetDirectoryTables(): void {
  made = undefined;
}
