/** One thing that the platform needs, and what the doctor found. */
export interface Finding {
  readonly name: string;
  /** `missing` and `fault` make the doctor's exit code 1; `note` does not. */
  readonly state: 'ok' | 'missing' | 'fault' | 'note';
  /** Path, address or folder. */
  readonly where: string;
  readonly version: string;
  /** What to do; empty where all is well. */
  readonly advice: string;
}

export const ok = (name: string, where: string, version = ''): Finding => ({
  name,
  state: 'ok',
  where,
  version,
  advice: '',
});
export const missing = (name: string, where: string, advice: string, version = ''): Finding => ({
  name,
  state: 'missing',
  where,
  version,
  advice,
});
export const note = (name: string, where: string, advice: string, version = ''): Finding => ({
  name,
  state: 'note',
  where,
  version,
  advice,
});
