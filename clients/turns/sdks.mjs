// One turn of a vendor's own SDK: sdks.mjs openai|responses|anthropic text|tool URL KEY
const [dialect, turn, url, key] = process.argv.slice(2);
const SCHEMA = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const time = (args) => `half past two in ${args.city}`;
const QUESTION = { role: "user", content: "hello" };

async function openai() {
  const { default: OpenAI } = await import("openai");
  const { completions } = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 }).chat;
  if (turn === "text") {
    const streamed = completions.stream({ model: "sim/text", messages: [QUESTION], stream_options: { include_usage: true } });
    const whole = await completions.create({ model: "sim/text", messages: [QUESTION] });
    return `${await streamed.finalContent()} | ${whole.choices[0].message.content} | ${(await streamed.totalUsage()).total_tokens} tokens`;
  }
  const runner = completions.runTools({
    model: "sim/tool",
    stream: true,
    messages: [QUESTION],
    tools: [{ type: "function", function: { name: "get_time", description: "The time.", parameters: SCHEMA, parse: JSON.parse, function: time } }],
  });
  return runner.finalContent();
}

async function responses() {
  const { default: OpenAI } = await import("openai");
  const { responses: api } = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  if (turn === "text") {
    const streamed = await api.stream({ model: "sim/text", input: "hello" }).finalResponse();
    const whole = await api.create({ model: "sim/text", input: "hello" });
    return `${streamed.output_text} | ${whole.output_text} | ${streamed.usage.total_tokens} tokens`;
  }
  const asked = { model: "sim/tool", tools: [{ type: "function", name: "get_time", description: "The time.", parameters: SCHEMA, strict: false }] };
  const first = await api.stream({ ...asked, input: [QUESTION] }).finalResponse();
  const results = first.output
    .filter((item) => item.type === "function_call")
    .map((item) => ({ type: "function_call_output", call_id: item.call_id, output: time(JSON.parse(item.arguments)) }));
  const last = await api.stream({ ...asked, input: results, previous_response_id: first.id }).finalResponse();
  return last.output_text;
}

async function anthropic() {
  const { default: Anthropic } = await import("@anthropic-ai/sdk");
  const { messages } = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  if (turn === "text") {
    const asked = { model: "sim/text", max_tokens: 1000, messages: [QUESTION] };
    const streamed = await messages.stream(asked).finalMessage();
    const whole = await messages.create(asked);
    return `${streamed.content[0].text} | ${whole.content[0].text} | ${streamed.usage.output_tokens} tokens`;
  }
  const tools = [{ name: "get_time", description: "The time.", input_schema: SCHEMA }];
  const asked = { model: "sim/tool", max_tokens: 1000, tools };
  const first = await messages.stream({ ...asked, messages: [QUESTION] }).finalMessage();
  const results = first.content
    .filter((block) => block.type === "tool_use")
    .map((block) => ({ type: "tool_result", tool_use_id: block.id, content: time(block.input) }));
  const conversation = [QUESTION, { role: "assistant", content: first.content }, { role: "user", content: results }];
  const last = await messages.stream({ ...asked, messages: conversation }).finalMessage();
  return last.content[0].text;
}

console.log(await { openai, responses, anthropic }[dialect]());
