import { StartupError } from '@cl-server/service-kit/program';
import {
  brokerFinding,
  databaseFindings,
  dataFolderFinding,
  diskFinding,
  memoryFinding,
  portFindings,
  processFindings,
} from '../doctor/machine.js';
import { nativeFindings, nodeFinding, toolFindings } from '../doctor/programs.js';
import type { Finding } from '../doctor/requirement.js';
import type { CommandInput } from './command.js';
import { table } from './table.js';

const WORD: Readonly<Record<Finding['state'], string>> = {
  ok: 'ok',
  missing: 'MISSING',
  fault: 'FAULT',
  note: 'note',
};

/** Lists every requirement: its path, its version, and what to do about it. */
export async function doctor({ settings, env, dataDir, print }: CommandInput): Promise<undefined> {
  const findings: Finding[] = [
    nodeFinding(process.versions.node, process.execPath),
    ...(await toolFindings(env)),
    ...(await nativeFindings()),
    dataFolderFinding(dataDir),
    diskFinding(dataDir),
    memoryFinding(),
    ...(await databaseFindings(env, dataDir)),
    await brokerFinding(settings),
    ...(await portFindings(settings, dataDir)),
    ...processFindings(dataDir),
  ];
  const rows = findings.map(({ name, state, where, version, advice }) => [WORD[state], name, where, version, advice]);
  print(table(['', 'requirement', 'where', 'found', 'what to do'], rows));
  const absent = findings.filter(({ state }) => state === 'missing');
  if (absent.length > 0) throw new StartupError(`missing: ${absent.map(({ name }) => name).join(', ')}`);
  const faults = findings.filter(({ state }) => state === 'fault');
  if (faults.length > 0) throw new StartupError(`checks failed: ${faults.map(({ name }) => name).join(', ')}`);
  print('All requirements are met.\n');
  return undefined;
}
