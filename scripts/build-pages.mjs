// Builds the pages' files into .build/pages, where wrangler.toml's [assets] looks: wrangler runs this before it
// deploys.
import { ensureTypeScript } from "./install.mjs";

await ensureTypeScript();
const { DEPLOYED_ASSETS_DIR, buildPageAssets } = await import("./dev-server/page-assets.ts");
await buildPageAssets(DEPLOYED_ASSETS_DIR);
