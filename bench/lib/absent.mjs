/** Prints one line instead of a stack if a benchmark needs a model or a tool that is missing; run.mjs loads it. */
function* chain(error) {
  for (let at = error; at instanceof Error; at = at.cause) yield at;
}

/** Describes what is missing; undefined for all other errors. */
function missingThing(error) {
  for (const { name, message, code, syscall, path } of chain(error)) {
    if (typeof syscall === 'string' && syscall.startsWith('spawn') && code === 'ENOENT')
      return `${path} is not installed`;
    if (
      /^Model/.test(name) ||
      /\bmodels?\b.*(?:missing|not (?:there|found|fetched|loaded)|could not be)/i.test(message)
    )
      return message.split('\n')[0];
  }
  return undefined;
}

process.on('uncaughtException', (error) => {
  const what = missingThing(error);
  if (what === undefined) {
    console.error(error);
    process.exit(1);
  }
  console.log(`not measured: ${what}`);
  process.exit(0);
});
