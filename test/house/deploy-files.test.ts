// What deploys and watches a backend, held against the code: settings that the backend reads, metrics that it exports,
// alerts that have a section to turn to.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import * as z from "zod";
import { SECRET_SETTINGS } from "../../edge/settings.ts";
import { readConfig } from "../../gpu-backend/config.ts";
import { CUDA_FOLDER } from "../../gpu-backend/cuda/libraries.ts";
import { Metrics } from "../../gpu-backend/metrics.ts";
import { isErrorCode } from "../../shared/errors.ts";

const ROOT = join(import.meta.dirname, "../..");
const DEPLOY = join(ROOT, "gpu-backend/deploy");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const manifest = (name: string): unknown => parse(readFileSync(join(DEPLOY, "kubernetes", name), "utf8"));
const SECRET = { BACKEND_SECRET: "s".repeat(32) };

const probe = z.object({ httpGet: z.object({ path: z.string(), port: z.literal("http") }) });
const statefulSetSchema = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        terminationGracePeriodSeconds: z.number(),
        containers: z.tuple([
          z.object({
            ports: z.tuple([z.object({ name: z.literal("http"), containerPort: z.number() })]),
            env: z.array(z.object({ name: z.string(), value: z.string() })),
            startupProbe: probe,
            livenessProbe: probe,
            readinessProbe: probe,
          }),
        ]),
      }),
    }),
  }),
});
const rulesSchema = z.object({
  spec: z.object({
    groups: z.array(
      z.object({
        rules: z.array(
          z.object({ alert: z.string(), expr: z.string(), annotations: z.object({ runbook: z.string() }) }),
        ),
      }),
    ),
  }),
});

const exported = new Set<string>();
beforeAll(async () => {
  const metrics = new Metrics();
  const zero = () => 0;
  metrics.watchReadiness("a/b", () => true);
  metrics.watch("a/b", {
    queueSeconds: zero,
    openCalls: zero,
    engineRestarts: zero,
    tokenizerReplacements: zero,
    costScale: zero,
  });
  for (const { name, type } of await metrics.registry.getMetricsAsJSON()) {
    const suffixes = String(type) === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const suffix of suffixes) exported.add(name + suffix);
  }
});

const metricsIn = (text: string) => [...text.matchAll(/\bbackend_\w+/g)].map(([name]) => name);

describe("the Kubernetes manifests", () => {
  const pod = statefulSetSchema.parse(manifest("stateful-set.yaml")).spec.template.spec;
  const [container] = pod.containers;

  test("set what the backend reads, on the port that is probed", () => {
    const environment = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
    const config = readConfig([], { ...SECRET, ...environment });
    expect(String(config.port)).toBe(environment["PORT"]);
    expect(container.ports[0].containerPort).toBe(config.port);
    expect(config).toMatchObject({
      models: [{ model: environment["MODEL"] }],
      target: "cuda-fp16",
      data: "/data",
      host: "0.0.0.0",
    });
  });

  test("probe liveness and readiness on their own routes", () => {
    expect(container.livenessProbe.httpGet.path).toBe("/health");
    expect(container.startupProbe.httpGet.path).toBe("/health");
    expect(container.readinessProbe.httpGet.path).toBe("/ready");
  });

  test("wait longer than the drain before they kill", () => {
    const drain = Number(container.env.find(({ name }) => name === "DRAIN_MS_MAX")?.value);
    expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(drain);
  });

  test("give each pod a name, a volume that outlives it, and its successor the card that it held", () => {
    const set = z
      .object({
        kind: z.literal("StatefulSet"),
        spec: z.object({
          serviceName: z.string(),
          updateStrategy: z.object({ type: z.literal("RollingUpdate"), rollingUpdate: z.undefined().optional() }),
          persistentVolumeClaimRetentionPolicy: z.object({ whenScaled: z.literal("Retain") }),
          volumeClaimTemplates: z.tuple([z.object({ metadata: z.object({ name: z.literal("data") }) })]),
        }),
      })
      .parse(manifest("stateful-set.yaml"));
    const service = z
      .object({
        metadata: z.object({ name: z.string() }),
        spec: z.object({ clusterIP: z.literal("None"), publishNotReadyAddresses: z.literal(true) }),
      })
      .parse(manifest("service.yaml"));
    expect(set.spec.serviceName).toBe(service.metadata.name);
    const scaled = z
      .object({ spec: z.object({ scaleTargetRef: z.object({ kind: z.string(), name: z.string() }) }) })
      .parse(manifest("scaled-object.yaml"));
    expect(scaled.spec.scaleTargetRef).toEqual({ kind: "StatefulSet", name: "backend" });
  });

  test("are all in the kustomization, and it names only files that are there", () => {
    const { resources } = z.object({ resources: z.array(z.string()) }).parse(manifest("kustomization.yaml"));
    for (const name of resources) {
      const documents = parseAllDocuments(readFileSync(join(DEPLOY, "kubernetes", name), "utf8"));
      for (const document of documents) expect([...document.errors, ...document.warnings]).toEqual([]);
    }
  });
});

describe("alerts, dashboard and scaling", () => {
  const rules = rulesSchema.parse(manifest("prometheus-rule.yaml")).spec.groups.flatMap((group) => group.rules);

  test("name only metrics that the edge exports", () => {
    const route = read("edge/routes/metrics.ts");
    const named = new Set(rules.flatMap(({ expr }) => [...expr.matchAll(/\bedge_\w+/g)].map(([name]) => name)));
    expect(named.size).toBeGreaterThan(3);
    expect([...named].filter((name) => !route.includes(`"${name}"`))).toEqual([]);
    const codes = rules.flatMap(({ expr }) =>
      [...expr.matchAll(/code!?[=~]+"([^"]+)"/g)].map(([, list]) => list ?? ""),
    );
    expect(codes.flatMap((list) => list.split("|")).filter((code) => !isErrorCode(code))).toEqual([]);
    const states = rules.flatMap(({ expr }) =>
      [...expr.matchAll(/state[=~]+"([^"]+)"/g)].map(([, list]) => list ?? ""),
    );
    expect(states.flatMap((list) => list.split("|")).filter((state) => !route.includes(`"${state}"`))).toEqual([]);
  });

  test("are what kubectl apply -k loads", () => {
    const { resources } = z.object({ resources: z.array(z.string()) }).parse(manifest("kustomization.yaml"));
    expect(resources).toEqual(
      expect.arrayContaining(["prometheus-rule.yaml", "scrape-config.yaml", "pod-monitor.yaml"]),
    );
  });

  test("name only metrics that the backend exports", () => {
    const dashboard = readFileSync(join(DEPLOY, "observability/grafana-dashboard.json"), "utf8");
    const scaling = readFileSync(join(DEPLOY, "kubernetes/scaled-object.yaml"), "utf8");
    const named = [...rules.map(({ expr }) => expr), dashboard, scaling].flatMap(metricsIn);
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((name) => !exported.has(name))).toEqual([]);
  });

  test("have a section in the operator's page for each alert", () => {
    const page = read("docs/operating.md");
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook).toBe(`docs/operating.md#${alert.toLowerCase()}`);
      expect(page).toContain(`### ${alert}\n`);
      expect(page).toContain(`| ${alert} |`);
    }
  });
});

describe("the image", () => {
  const dockerfile = readFileSync(join(DEPLOY, "Dockerfile"), "utf8");

  test("copies what is there, runs what is there, and not as root", () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
      ([, paths]) => paths?.split(" ") ?? [],
    );
    expect(copied).toContain("gpu-backend");
    for (const path of copied) expect(existsSync(join(ROOT, path)), path).toBe(true);
    const command = /^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? "[]";
    expect(existsSync(join(ROOT, z.array(z.string()).parse(JSON.parse(command)).at(-1) ?? "absent"))).toBe(true);
    expect(dockerfile).toMatch(/^USER 10001$/m);
    expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  });

  test("installs the CUDA provider with what it has copied by then, to where the backend looks for it", () => {
    const [build = ""] = dockerfile.split("RUN node scripts/gpu-install.mjs");
    const copied = [...build.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, paths]) => paths?.split(" ") ?? []);
    const app = mkdtempSync(join(tmpdir(), "image-"));
    try {
      for (const path of copied) cpSync(join(ROOT, path), join(app, path), { recursive: true });
      symlinkSync(join(ROOT, "node_modules"), join(app, "node_modules"));
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ["scripts/gpu-install.mjs", "--check", "--dir", join(app, "none")],
        { cwd: app, encoding: "utf8", env: { ...process.env, NODE_ENV: "production" } },
      );
      expect(stdout + stderr).toMatch(/none is not there\./);
    } finally {
      rmSync(app, { recursive: true, force: true });
    }
    expect(dockerfile).toContain(`gpu-install.mjs --dir ${CUDA_FOLDER.replace(join(ROOT, "."), "/app")} `);
    const allowed = readFileSync(join(DEPLOY, "Dockerfile.dockerignore"), "utf8").split("\n");
    for (const path of copied) {
      const parts = path.split("/").map((_, index, all) => `!${all.slice(0, index + 1).join("/")}`);
      expect(
        parts.some((part) => allowed.includes(part)),
        path,
      ).toBe(true);
    }
  });

  test("sets what the backend reads", () => {
    const blocks = [...dockerfile.matchAll(/^ENV ([\s\S]*?[^\\])$/gm)].map(([, block]) => block).join("\n");
    const environment = Object.fromEntries(
      [...blocks.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
    );
    const config = readConfig([], { ...SECRET, ...environment });
    expect(config).toMatchObject({ port: 8190, host: "0.0.0.0", data: "/data", target: "cuda-fp16" });
    expect(config.models).toEqual([{ model: "boboliu/Qwen3-Embedding-4B-W4A16-G128", modelId: undefined }]);
  });
});

test("docs/operating.md says how to rotate each secret that may have a previous value", () => {
  const rows = new Set(read("docs/operating.md").match(/^\| `[A-Z_]+` (?=.*_PREVIOUS)/gm));
  const rotated = [...SECRET_SETTINGS].filter((name) => name.endsWith("_PREVIOUS"));
  expect(rotated.length).toBeGreaterThan(4);
  for (const name of rotated) expect(rows).toContain(`| \`${name.replace("_PREVIOUS", "")}\` `);
});
