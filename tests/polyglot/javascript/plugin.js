// The sample of tests/polyglot in JavaScript, against the WIT of /wit.

const command = (name, summary, properties, output, required) => ({
  name, summary, description: "", tags: ["polyglot"],
  input: JSON.stringify({ type: "object", properties, required }), output: JSON.stringify(output), examples: [],
  effects: {}, version: 0, audience: "restricted", deprecated: undefined,
});

const text = { type: "string" };

const handlers = {
  poly_greet({ name }) {
    if (name === "nobody") {
      throw { tag: "invalid-argument", val: { pointer: "/name", message: "somebody to greet" } };
    }
    return `Hello, ${name}!`;
  },
  poly_sum({ numbers }) {
    const sum = numbers.reduce((sum, number) => sum + BigInt(number), 0n);
    if (sum >= 2n ** 64n) {
      throw { tag: "failed", val: "the sum has more than 64 bits" };
    }
    return sum.toString();
  },
  poly_whoami(_, caller) {
    return { account: caller.account, via: caller.via };
  },
  poly_fail({ kind }) {
    if (kind === "crash") {
      // An Error is none of the errors of the contract.
      throw new Error("as asked");
    }
    throw { tag: kind.replace("_", "-"), val: "as asked" };
  },
};

export const commands = {
  describe: () => [
    command("poly_greet", "Greets a person", { name: { ...text, minLength: 1, maxLength: 64 } }, text, ["name"]),
    command("poly_sum", "Adds numbers", { numbers: { type: "array", items: text } }, text, ["numbers"]),
    command("poly_whoami", "Tells who calls", {}, { type: "object" }, []),
    command("poly_fail", "Fails", { kind: text }, {}, ["kind"]),
  ],
  call: (name, version, input, caller) => JSON.stringify(handlers[name](JSON.parse(input), caller)),
};
