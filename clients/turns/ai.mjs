// One turn of the AI SDK: ai.mjs openai|anthropic text|tool URL KEY
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const [dialect, turn, url, key] = process.argv.slice(2);
const create = { openai: createOpenAICompatible, anthropic: createAnthropic }[dialect];
const model = create({ name: "ccproxy", baseURL: `${url}/v1`, apiKey: key, includeUsage: true });
const SCHEMA = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
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
  const asked = { ...LIMITS, model: model("sim/tool"), prompt: "hello", tools: { get_time: time } };
  return streamText({ ...asked, stopWhen: stepCountIs(3) }).text;
}

console.log(await (turn === "text" ? text() : call()));
