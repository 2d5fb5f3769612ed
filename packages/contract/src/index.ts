/** The public exports of `@cl-server/contract`; a new schema or endpoint is added to the list of its folder. */

export * from './auth/index.js';
export {
  CODE_OF_STATUS,
  isLack,
  isTerminal,
  JOB_ERROR_CODES,
  JOB_STATUSES,
  type JobErrorCode,
  type JobStatus,
  LACKS,
  type Lack,
  PERMISSIONS,
  PORTS,
  PRIORITY,
  RESERVED_TASK_NAMES,
  SERVICE_MQTT_USER,
  TERMINAL_STATUSES,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  TOPICS,
} from './constants.js';
export * from './http/index.js';
export * from './jobs/index.js';
export * from './models/index.js';
export { CHILD_STATES, type ChildReport, type ChildState, childReport, type RunState, runState } from './run-state.js';
export { SECRET_NAMES, SETTING_NAMES } from './setting-names.js';
export * from './store/index.js';
export * from './tasks/index.js';
