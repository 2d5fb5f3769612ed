/**
 * What a test needs of the machine. Where `CL_TEST_REQUIRE` names it, its absence is a failure; elsewhere the test is
 * skipped and says so.
 */
export type Requirement = 'postgres' | 'mosquitto' | 'chromium' | 'ffmpeg' | 'media' | 'models';

const required = new Set((process.env.CL_TEST_REQUIRE ?? '').split(',').filter(Boolean));

/**
 * @param found whether the machine has it
 * @returns true to run, false to skip
 */
export function needs(what: Requirement, found: boolean): boolean {
  if (found) return true;
  if (required.has(what)) throw new Error(`${what} is required here (CL_TEST_REQUIRE) and was not found`);
  process.stderr.write(`skipped: this test needs ${what}, which was not found\n`);
  return false;
}
