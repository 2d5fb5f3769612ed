/** Settings from flags, environment and config.yaml. */
export { dataDirSetting, debugSetting, logLevelSetting } from './common.js';
export { configFolder } from './config-folder.js';
export { configOrHelp } from './config-or-help.js';
export { databaseSettings, migrateSetting, selfMigrateSettings } from './database-settings.js';
export { folderSettings, modelsDirSetting, toolSettings, uploadSettings } from './file-settings.js';
export { type ConfigSources, loadConfig } from './load.js';
export { mqttSettings } from './mqtt-settings.js';
export { suggestion } from './nearest.js';
export {
  allowedHostsSetting,
  asAddress,
  corsSetting,
  hostSetting,
  httpSettings,
  keySettings,
  noAuthSetting,
  portSetting,
  publicAuthSettings,
  reloadSetting,
  serviceUrlSettings,
} from './service-settings.js';
export {
  asBool,
  asBytes,
  asChoice,
  asDatabaseUrl,
  asInt,
  asList,
  asNonEmpty,
  asNumber,
  asPort,
  asText,
  asUrl,
  type Settings,
  shownUrl,
  type Values,
} from './setting.js';
