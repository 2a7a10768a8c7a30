// The playground's tab of rerank: a call for each of the chosen models, and their scores side by side.

import { render } from "preact";
import type { VNode } from "preact";
import { call, sentenceOf } from "./api.ts";
import { find, say } from "./dom.ts";
import { formatMoney } from "./format.ts";
import { Scrollable, tiles } from "./parts.tsx";
import { curlText, fieldOf, linesOf } from "./playground-call.ts";

interface Ask {
  /** The reranker first. */
  readonly models: readonly string[];
  readonly query: string;
  readonly documents: readonly string[];
}

interface Ranking {
  readonly method: "reranker" | "cosine";
  readonly model: string;
  readonly results: readonly { readonly index: number; readonly relevance_score: number }[];
  readonly usage: { readonly prompt_tokens: number; readonly cost: number };
}

const form = find("#rerank", HTMLFormElement);
const results = find("#rerank-results", HTMLElement);
const isSignedIn = form.dataset["signedIn"] === "true";

export function startRerank(): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void run();
  });
  form.addEventListener("input", showRequest);
  showRequest();
}

function ask(): Ask {
  const data = new FormData(form);
  const models = ["reranker", "embedding"].map((name) => fieldOf(data, name)).filter((id) => id !== "");
  return { models, query: fieldOf(data, "query").trim(), documents: linesOf(fieldOf(data, "documents")) };
}

function showRequest(): void {
  const { models, query, documents } = ask();
  const body = { model: models[0] ?? "", query, documents };
  find("#rerank-request code", HTMLElement).textContent = curlText("/v1/rerank", body);
}

async function run(): Promise<void> {
  const { models, query, documents } = ask();
  if (!isSignedIn) return say("#rerank-fault", "Sign in (Dashboard) to send this request.");
  say("#rerank-fault", models.length === 0 ? "Choose a model." : "");
  const button = find("button", HTMLButtonElement, form);
  button.disabled = true;
  try {
    const rankings = await Promise.all(
      models.map(async (model) => (await call<Ranking>("POST", "/v1/rerank", { model, query, documents })).body),
    );
    render(<RankedDocuments documents={documents} rankings={rankings} />, results);
    results.hidden = rankings.length === 0;
  } catch (error) {
    say("#rerank-fault", sentenceOf(error));
  } finally {
    button.disabled = false;
  }
}

interface Ranked {
  readonly documents: readonly string[];
  readonly rankings: readonly Ranking[];
}

/** In the order of the first ranking. */
function RankedDocuments({ documents, rankings }: Ranked): VNode {
  const scores = rankings.map((ranking) => new Map(ranking.results.map((item) => [item.index, item.relevance_score])));
  const order = rankings[0]?.results.map(({ index }) => index) ?? [];
  return (
    <>
      <h2>Result</h2>
      {tiles(
        rankings.map(({ method, usage }) => [
          method === "reranker" ? "Reranker" : "Cosine",
          formatMoney(Math.round(usage.cost * 1e9)),
          `${usage.prompt_tokens.toLocaleString("en-US")} tokens`,
        ]),
      )}
      <Scrollable label="Table: Scores" isBare>
        <table class="scores">
          <thead>
            <tr>
              <th scope="col">Document</th>
              {rankings.map(({ method, model }) => (
                <th scope="col" title={model}>
                  {method}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {order.map((index) => (
              <tr>
                <th scope="row">{documents[index]}</th>
                {scores.map((byIndex) => {
                  const score = byIndex.get(index) ?? 0;
                  return (
                    <td>
                      <span style={{ "--share": Math.round(score * 100) }}>{score.toFixed(3)}</span>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Scrollable>
    </>
  );
}
