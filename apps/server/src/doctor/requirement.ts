/** One requirement of the platform with the finding of the doctor. */
export interface Finding {
  readonly name: string;
  /** `missing` and `fault` cause exit code 1; `note` does not. */
  readonly state: 'ok' | 'missing' | 'fault' | 'note';
  /** A path, address or folder. */
  readonly where: string;
  readonly version: string;
  /** The advice to the operator; empty if nothing is wrong. */
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
