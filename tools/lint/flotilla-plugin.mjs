/** Rules of this repository that oxlint does not have. */

/** `new Date()` and `Date()` read the machine's time; `new Date(atMs)` only formats. */
const noMachineTime = {
  create: (context) => {
    const check = (node) => {
      if (node.callee.type !== "Identifier" || node.callee.name !== "Date") return;
      if (node.type === "NewExpression" && node.arguments.length > 0) return;
      context.report({ node, message: "Only src/clock.ts reads the machine's time: take a Clock." });
    };
    return { NewExpression: check, CallExpression: check };
  },
};

export default { meta: { name: "flotilla" }, rules: { "no-machine-time": noMachineTime } };
