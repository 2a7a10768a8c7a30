// Setup of every test file inside workerd: the directory's tables, as the migrations make them in production.
import { applyD1Migrations, env } from "cloudflare:test";
import { beforeAll } from "vitest";

beforeAll(() => applyD1Migrations(env.DIRECTORY, env.TEST_MIGRATIONS));
