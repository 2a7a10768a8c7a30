// Downloads through a proxy, as the environment's variables say. The proxy is a real one that opens tunnels.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Dispatcher, getGlobalDispatcher, setGlobalDispatcher } from "undici";

import { downloadModel } from "../../../gpu-backend/hub/download-model.ts";
import { useProxies } from "../../../gpu-backend/hub/hub-fetch.ts";
import { COMMIT, type FakeHub, startFakeHub } from "./fake-hub.ts";

const REPOSITORY = { name: "owner/model", revision: "main" };
const listener = { onProgress: () => undefined, onNotice: () => undefined };

describe("the hub behind a proxy", () => {
  let hub: FakeHub;
  let proxy: Server;
  let tunnels: string[];
  let data: string;
  let before: Dispatcher;

  beforeEach(async () => {
    before = getGlobalDispatcher();
    data = mkdtempSync(join(tmpdir(), "proxy-"));
    hub = await startFakeHub(REPOSITORY.name, { "config.json": Buffer.from("{}") });
    tunnels = [];
    proxy = createServer().on("connect", (request, client) => {
      tunnels.push(request.url ?? "");
      const upstream = connect(Number(new URL(hub.url).port), "127.0.0.1", () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        client.pipe(upstream).pipe(client);
      });
      for (const socket of [client, upstream]) socket.on("error", () => undefined);
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
  });
  afterEach(async () => {
    const used = getGlobalDispatcher();
    setGlobalDispatcher(before);
    if (used !== before) await used.destroy();
    await hub.close();
    proxy.closeAllConnections();
    proxy.close();
    rmSync(data, { recursive: true });
  });

  /** A hub whose name only the proxy can reach. */
  const through = (environment: Record<string, string>, hubUrl: string) => {
    useProxies(environment);
    return downloadModel(REPOSITORY, data, { hubUrl, token: undefined, offline: false }, listener);
  };
  const address = () => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

  it.each(["HTTP_PROXY", "http_proxy"])("is reached with %s", async (name) => {
    expect(await through({ [name]: address() }, "http://hub.invalid")).toContain(COMMIT);
    expect(new Set(tunnels)).toEqual(new Set(["hub.invalid:80"]));
  });

  it("is asked through HTTPS_PROXY when its address is https", async () => {
    // The tunnel leads to a server without TLS: that it was opened is what shows here.
    await through({ HTTPS_PROXY: address() }, "https://hub.invalid").catch(() => undefined);
    expect(tunnels[0]).toBe("hub.invalid:443");
  });

  it("is asked without one when NO_PROXY names it", async () => {
    await through({ HTTP_PROXY: address(), NO_PROXY: "127.0.0.1" }, hub.url);
    expect(tunnels).toEqual([]);
  });
});
