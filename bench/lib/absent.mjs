/** For benchmarks that run.mjs starts: a model or a tool that is not there is one line instead of a stack. */
function* chain(error) {
  for (let at = error; at instanceof Error; at = at.cause) yield at;
}

/** What is absent, in words; undefined where the error means something else. */
function absent(error) {
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
  const what = absent(error);
  if (what === undefined) {
    console.error(error);
    process.exit(1);
  }
  console.log(`not measured: ${what}`);
  process.exit(0);
});
