import {
  hasOwnBroker,
  type hostSetting,
  httpOptions,
  type httpSettings,
  jobStatusWanted,
  type mqttSettings,
  type noAuthSetting,
  type uploadSettings,
  type Values,
} from '@cl-server/service-kit';
import type { JobServiceOptions } from './job-service.js';
import type { jobServiceSettings } from './settings.js';

/** A worker is offline after this many missed heartbeats. */
const MISSED_BEATS = 3;

type JobServiceValues = Values<
  typeof jobServiceSettings &
    typeof mqttSettings &
    typeof httpSettings &
    Pick<typeof uploadSettings, 'maxUploadBytes'> & {
      readonly noAuth: typeof noAuthSetting;
      readonly host: typeof hostSetting;
    }
>;

type FromSettings = Pick<
  JobServiceOptions,
  | 'maxUploadBytes'
  | 'noAuth'
  | 'maxQueued'
  | 'userBytes'
  | 'eventsTopic'
  | 'workersTopic'
  | 'workerMaxAge'
  | 'jobStatusTopic'
  | 'ownsBroker'
  | 'http'
>;

/** Options of a service that accepts jobs, from the settings of its program. */
export const jobServiceFromSettings = (settings: JobServiceValues): FromSettings => ({
  maxUploadBytes: settings.maxUploadBytes,
  noAuth: settings.noAuth,
  maxQueued: settings.maxQueuedJobs,
  userBytes: settings.userQuota,
  eventsTopic: settings.mqttTopic,
  workersTopic: settings.capabilityTopicPrefix,
  workerMaxAge: (settings.capabilityCacheTimeout ?? MISSED_BEATS * settings.mqttHeartbeatInterval) * 1000,
  jobStatusTopic: jobStatusWanted(settings),
  ownsBroker: hasOwnBroker(settings),
  http: httpOptions(settings),
});
