/**
 * Requirements of a test on the machine. If one is missing, the test is skipped with a message, or fails if
 * `CL_TEST_REQUIRE` names the requirement.
 */
export type Requirement = 'postgres' | 'mosquitto' | 'chromium' | 'ffmpeg' | 'media' | 'models';

const required = new Set((process.env.CL_TEST_REQUIRE ?? '').split(',').filter(Boolean));

/**
 * @param found whether the machine meets the requirement
 * @returns true to run, false to skip
 */
export function needs(what: Requirement, found: boolean): boolean {
  if (found) return true;
  if (required.has(what)) throw new Error(`${what} is required (CL_TEST_REQUIRE) but was not found`);
  process.stderr.write(`skipped: this test needs ${what}, which was not found\n`);
  return false;
}
