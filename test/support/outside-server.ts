// Stands for the services that the product calls, on the loopback: a trace collector and Stripe. It keeps everything
// that it receives, to be searched.

import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly path: string;
  /** The whole request except `authorization`, which is meant for the receiver. */
  readonly bytes: Buffer;
}

export class OutsideServer {
  readonly received: Received[] = [];
  /** Stripe's payments by id. */
  readonly payments = new Map<string, object>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const { authorization: _theirs, ...headers } = request.headers;
        const { url: path = "", method } = request;
        const head = Buffer.from(`${method ?? ""} ${path}\n${JSON.stringify(headers)}\n`);
        this.received.push({ path, bytes: Buffer.concat([head, ...parts]) });
        const payment = this.payments.get(path.slice("/v1/payment_intents/".length));
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(payment ?? { id: "cs_1", url: "https://checkout.example.com/cs_1" }));
      });
    });
  }

  static async start(): Promise<OutsideServer> {
    const outside = new OutsideServer();
    await new Promise<void>((resolve) => {
      outside.#server.listen(0, "127.0.0.1", resolve);
    });
    return outside;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
