// Prints "N passed, N failed" for a run:
// node summary.js <vitest's JSON report> <exit code of check> <exit code of tests> <counts of the sessions>
import fs from 'node:fs';

const [, , report, check, tests, sessions] = process.argv;
let passed = 0;
let failed = 0;
try {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(fs.readFileSync(report, 'utf8'));
  passed = numPassedTests;
  // A file that could not be loaded has no failed tests.
  const unloaded = testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length;
  failed = numFailedTests + unloaded;
} catch {
  console.log('the tests left no report');
}
if (tests !== '0' && failed === 0) failed = 1; // e.g. an error outside of every test
try {
  const counts = JSON.parse(fs.readFileSync(sessions, 'utf8'));
  passed += counts.passed;
  failed += counts.failed;
} catch {
  console.log('the sessions on other versions of Node left no counts');
  failed += 1;
}
if (check !== '0') {
  console.log('npm run check failed');
  failed += 1;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
