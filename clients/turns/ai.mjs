// One turn of the AI SDK: ai.mjs openai|anthropic text|tool URL KEY, or ai.mjs responses text|tool|parsed|image|reasoning URL KEY
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";

const [dialect, turn, url, key] = process.argv.slice(2);
const create = { openai: createOpenAICompatible, anthropic: createAnthropic, responses: createOpenAI }[dialect];
const model = create({ name: "ccproxy", baseURL: `${url}/v1`, apiKey: key, includeUsage: true });
const SCHEMA = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const LIMITS = { maxRetries: 0, maxOutputTokens: 1000 };

async function text() {
  const asked = { ...LIMITS, model: model("sim/text"), prompt: "hello" };
  const streamed = streamText(asked);
  const whole = await generateText(asked);
  return `${await streamed.text} | ${whole.text} | ${(await streamed.usage).totalTokens} tokens`;
}

async function call() {
  const time = tool({
    description: "The time.",
    inputSchema: jsonSchema(SCHEMA),
    execute: ({ city }) => `half past two in ${city}`,
  });
  const asked = { ...LIMITS, model: model("sim/tool"), prompt: "hello", tools: { get_time: time }, stopWhen: stepCountIs(3) };
  const streamed = await streamText(asked).text;
  const whole = (await generateText(asked)).text;
  return streamed === whole ? streamed : `${streamed} is not ${whole}`;
}

async function parsed() {
  const output = Output.object({ schema: jsonSchema({ ...SCHEMA, additionalProperties: false }) });
  const { output: city } = await generateText({ ...LIMITS, model: model("sim/json"), prompt: "hello", output });
  return `the city is ${city.city}`;
}

async function image() {
  const content = [{ type: "text", text: "What is it?" }, { type: "image", image: PIXEL, mediaType: "image/png" }];
  const { text } = await generateText({ ...LIMITS, model: model("sim/echo"), messages: [{ role: "user", content }] });
  return text;
}

// Reasoning goes back by reference where the server keeps answers, which is the default, and in sealed form where it does not.
async function reasoning() {
  const said = [];
  for (const kept of [{}, { store: false, include: ["reasoning.encrypted_content"] }]) {
    const openai = { forceReasoning: true, reasoningEffort: "high", reasoningSummary: "auto", ...kept };
    const asked = { ...LIMITS, providerOptions: { openai } };
    const messages = [{ role: "user", content: "hello" }];
    const first = streamText({ ...asked, model: model("sim/reasoning"), messages });
    const thought = await first.reasoningText;
    messages.push(...(await first.response).messages, { role: "user", content: "And now?" });
    said.push(`${thought} | ${(await generateText({ ...asked, model: model("sim/echo"), messages })).text}`);
  }
  return said[0] === said[1] ? said[0] : said.join(" is not ");
}

console.log(await { text, tool: call, parsed, image, reasoning }[turn]());
