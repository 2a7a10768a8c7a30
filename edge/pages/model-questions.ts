// The questions that buyers of a model ask, answered from its facts.

import { html } from "hono/html";
import type { ModelFacts } from "./facts.ts";
import type { Html } from "./layout.ts";
import { integer, isMatryoshka, takesInstructions, usd } from "./parts.ts";
import type { PublicModel } from "./public-models.ts";
import { isReranker } from "./public-models.ts";

interface Question {
  readonly question: string;
  readonly answer: Html;
}

export function modelQuestions(model: PublicModel, facts: ModelFacts | undefined): Html {
  const questions = isReranker(model) ? aboutReranker(model) : aboutEmbedding(model, facts);
  return html`<section id="questions">
    <h2>Questions</h2>
    ${questions.map(
      ({ question, answer }) =>
        html`<details>
          <summary>${question}</summary>
          ${answer}
        </details>`,
    )}
  </section>`;
}

function aboutReranker(model: PublicModel): readonly Question[] {
  return [
    documentsFormat(model),
    tokensOfPairs(),
    ...ownInstruction(model),
    repeats(model, "pair", "score"),
    failures(),
  ];
}

function documentsFormat(model: PublicModel): Question {
  return {
    question: "What may the documents be?",
    answer: html`<p>
      Up to 2,047 strings, or objects whose fields <code>rank_fields</code> names. A pair of query and document may have
      ${integer(model.context_length)} tokens. A longer document loses its end; with <code>"truncate": "none"</code> it
      is an error that names the document. The query is never cut.
    </p>`,
  };
}

function tokensOfPairs(): Question {
  return {
    question: "How many tokens does a call have?",
    answer: html`<p>
      The model reads the query again with each document, so each pair counts the query, the document and the model’s
      template around them. <code>POST /v1/tokenize</code> with the same body quotes a call exactly, for nothing.
    </p>`,
  };
}

function ownInstruction({ default_query_instruction: instruction }: PublicModel): readonly Question[] {
  if (instruction === null) return [];
  return [
    {
      question: "Can I say what counts as relevant?",
      answer: html`<p>Yes, in <code>"instruction"</code>. Without one the model reads:</p>
        <blockquote>${instruction}</blockquote>`,
    },
  ];
}

function aboutEmbedding(model: PublicModel, facts: ModelFacts | undefined): readonly Question[] {
  return [
    inputFormat(model),
    ...(facts?.quantization === undefined ? [] : [quantizationLoss(facts.quantization)]),
    ...(model.float32_distance_max === null ? [] : [arithmetic(model.float32_distance_max)]),
    ...(takesInstructions(model) ? [instructions(model, facts)] : []),
    ...(isMatryoshka(model) ? [dimensions(model)] : []),
    repeats(model, "text", "vector"),
    failures(),
  ];
}

function inputFormat(model: PublicModel): Question {
  return {
    question: "What may the input be?",
    answer: html`<p>
      One text, up to 2,048 texts, token ids of the model’s own tokenizer, or pairs of texts. Each text may have
      ${integer(model.context_length)} tokens; longer ones are an error that names the text, or are cut if you send
      <code>"truncate": "end"</code>. Answers come as floats, base64, int8 or binary.
    </p>`,
  };
}

function quantizationLoss(quantization: NonNullable<ModelFacts["quantization"]>): Question {
  return {
    question: "What do 4-bit weights cost in quality?",
    answer: html`<p>
      About ${quantization.meanLossPercent} % of the benchmark’s mean. In return the model needs
      ${integer(quantization.vramMb)} MB of GPU memory instead of ${integer(quantization.parentVramMb)} MB
      (${quantization.vramNote}), which is what makes its price possible.
    </p>`,
  };
}

/** 1 − cosine to float32, median and largest: docs/performance.md, Right. */
const MEASURED = [
  ["This engine, before the vector is rounded to float16", "8.6e-12", "7.3e-10"],
  ["PyTorch in float16", "3.9e-6", "3.5e-4"],
  ["PyTorch in bfloat16", "4.9e-4", "3.8e-3"],
] as const;

function arithmetic(distanceMax: number): Question {
  return {
    question: "How near are the vectors to exact arithmetic?",
    answer: html`<p>
        Within ${distanceMax} (1 − cosine) of what float32 gives with the same weights. The same text gets the same bits
        in any request and batch, under one revision on one class of processor. What we measured beside serving in 16
        bits, on 42 texts of many kinds and Qwen2.5-Coder 0.5B in 4 bits:
      </p>
      <table class="plain">
        <tr>
          <th scope="col">1 − cosine to float32</th>
          <th scope="col" class="num">median</th>
          <th scope="col" class="num">largest</th>
        </tr>
        ${MEASURED.map(
          ([what, median, largest]) =>
            html`<tr>
              <th scope="row">${what}</th>
              <td class="num">${median}</td>
              <td class="num">${largest}</td>
            </tr>`,
        )}
      </table>`,
  };
}

function instructions(model: PublicModel, facts: ModelFacts | undefined): Question {
  const gain = facts?.instructionGainPercent;
  return {
    question: "Should I send an instruction?",
    answer: html`<p>
        For queries, yes${gain === undefined ? "" : `: typically worth ${gain[0]} to ${gain[1]} %`}. Documents carry
        none. Send <code>"input_type": "query"</code> for the default below, or your own task in
        <code>"instruction"</code>. A client that cannot send extra fields writes <code>${model.id}:query</code> as the
        model.
      </p>
      <blockquote>${model.default_query_instruction ?? model.prompts?.query ?? ""}</blockquote>`,
  };
}

function dimensions(model: PublicModel): Question {
  return {
    question: "Can I store shorter vectors?",
    answer: html`<p>
      Yes: send <code>"dimensions": 256</code>, or any number up to
      ${model.native_dimensions === 0 ? "the native one" : integer(model.native_dimensions)}. The prefix is normalised
      again and the price is the same. The <a href="/playground">playground</a> shows what it costs on your own texts.
    </p>`,
  };
}

function repeats({ pricing }: PublicModel, text: "text" | "pair", result: "vector" | "score"): Question {
  return {
    question: `Do I pay twice for the same ${text}?`,
    answer: html`<p>
      A ${text} that is found in your account’s cache costs ${usd(pricing.hit_price_nano_usd_per_million_tokens)}
      instead of ${usd(pricing.price_nano_usd_per_million_tokens)} per million tokens, and the ${result} is the same bit
      for bit. Send
      <code>Cache-Control: no-store</code> to go around it.
    </p>`,
  };
}

function failures(): Question {
  return {
    question: "What if a call fails?",
    answer: html`<p>
      It costs nothing. A call is charged once its whole result is there and verified, never before. Credit is prepaid;
      what you paid for and did not use is paid back on request (<a href="/terms">terms</a>).
    </p>`,
  };
}
