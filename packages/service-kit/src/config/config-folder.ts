import { dataDirSetting } from './common.js';
import type { ConfigSources } from './load.js';

/** The folder whose `config.yaml` counts: the data folder, as flags or environment name it. */
export function configFolder({ argv, env }: ConfigSources): string | undefined {
  const flag = `--${dataDirSetting.flag}`;
  const index = argv.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
  const word = argv[index];
  const given = word?.includes('=') ? word.slice(flag.length + 1) : argv[index + 1];
  return (word !== undefined ? given : env[dataDirSetting.env]) || undefined;
}
