/** The public exports of `@cl-server/contract`; a new schema or endpoint is added to its section. */

// Names and numbers that all sides share, and the names of settings.

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
export { SECRET_NAMES, SETTING_NAMES } from './setting-names.js';

// HTTP: the form of endpoints, fields, errors and lists, and the endpoints of every service.

export {
  type AnyEndpoint,
  type Bodies,
  bodyLimit,
  DEFAULT_BODY_LIMIT,
  type Endpoint,
  endpoint,
  type FileSpec,
  GUARDS,
  type Guard,
  type Method,
  type Output,
  type RawContent,
  type ResponseSpec,
  type Responses,
} from './http/endpoint.js';
export { type ErrorBody, errorBody, type ValidationItem, validationItem } from './http/errors.js';
export { type Bounds, type FieldIssue, field, reject } from './http/field.js';
export { isUnsafeKey, jsonFault, MAX_JSON_DEPTH, MAX_JSON_VALUES, parseJson } from './http/json-bounds.js';
export { listOf, listQuery } from './http/list.js';
export { type ApiInfo, impliedErrors, jsonSchemaOf, openApiDocument } from './http/openapi.js';
export { livez, metrics, type Readiness, readiness, readyz, systemEndpoints } from './http/system.js';

// Auth: users, passwords, tokens and the audit log.

export { AUDIT_ACTIONS, type AuditAction, type AuditEntry, auditEntry, auditPage, auditQuery } from './auth/audit.js';
export {
  givenPassword,
  MAX_PASSWORD_BYTES,
  MIN_PASSWORD_LENGTH,
  newPassword,
  passwordFault,
  usernameField,
} from './auth/credentials.js';
export {
  AUTH_API,
  authEndpoints,
  changePassword,
  createUser,
  deleteUser,
  getAuthRoot,
  getCurrentUser,
  getKeySet,
  getPublicKey,
  getUser,
  listAudit,
  listRevocations,
  listUsers,
  login,
  patchUser,
  refreshToken,
  updateUser,
} from './auth/endpoints.js';
export { permissionList } from './auth/permissions.js';
export {
  type AccessToken,
  accessToken,
  type KeySet,
  keySet,
  loginForm,
  type PublicKey,
  passwordChange,
  publicKey,
} from './auth/sessions.js';
export {
  type Revocation,
  type RevocationFeed,
  revocation,
  revocationFeed,
  type TokenClaims,
  tokenClaims,
} from './auth/token.js';
export { newUser, type User, user, userChange, userId, userQuery } from './auth/users.js';

// Jobs, which compute and the store serve.

export {
  COMPUTE_API,
  cleanupJobs,
  computeEndpoints,
  getCapabilities,
  getComputeRoot,
  getGuestMode,
  getPreferences,
  getStorageSize,
  listWorkers,
  setGuestMode,
} from './jobs/compute.js';
export {
  cancelJob,
  createBatch,
  createJob,
  deleteJob,
  getJob,
  getJobFile,
  jobEndpoints,
  listJobs,
  listTasks,
  retryJob,
  type TaskEndpoint,
  type TaskRoute,
  taskEndpoint,
  watchJob,
} from './jobs/endpoints.js';
export {
  type BatchItem,
  type BatchResponse,
  type BatchResult,
  batchItem,
  batchRequest,
  batchResponse,
  batchResult,
  type CleanupResult,
  type ComputePreferences,
  type ComputeRoot,
  cleanupResult,
  computePreferences,
  computeRoot,
  type GuestMode,
  type GuestModeUpdated,
  guestMode,
  guestModeUpdated,
  JOB_STATUS_FILTERS,
  type JobList,
  type JobListQuery,
  type JobStatusFilter,
  jobList,
  jobListQuery,
  MAX_BATCH,
  type StorageSize,
  storageSize,
  type TaskInfo,
  type TaskList,
  taskInfo,
  taskList,
  type WorkerList,
  workerList,
} from './jobs/lists.js';
export {
  type Capabilities,
  capabilities,
  type Job,
  type JobCreated,
  type JobEvent,
  job,
  jobCreated,
  jobErrorCode,
  jobEvent,
  jobStatus,
  type UnavailableCode,
  unavailableCode,
  type WorkerCapability,
  workerCapability,
  workerLacks,
} from './jobs/schemas.js';

// The built-in tasks.

export {
  clipEmbeddingTask,
  clipTextEmbeddingTask,
  dinoEmbeddingTask,
  embeddedFace,
  faceEmbeddingTask,
  type ModelStamp,
  modelStamp,
} from './tasks/embedding.js';
export { EXIF_TAG, exifTask } from './tasks/exif.js';
export {
  type DetectedFace,
  detectedFace,
  doubtful,
  FACE_CERTAIN,
  FACE_LISTED,
  type FaceBox,
  type FaceLandmarks,
  type FaceQuality,
  faceBox,
  faceDetectionTask,
  faceLandmarks,
  faceQuality,
} from './tasks/face.js';
export { distance } from './tasks/hamming.js';
export { hashTask, mediaType } from './tasks/hash.js';
export {
  DEFAULT_HLS_VARIANTS,
  HLS_FILES,
  type HlsVariant,
  hlsStreamingTask,
  hlsVariant,
} from './tasks/hls-streaming.js';
export {
  colour,
  IMAGE_FORMATS,
  type ImageFormat,
  imageConversionTask,
  MAX_SIDE,
  side,
} from './tasks/image-conversion.js';
export { mediaThumbnailTask, THUMBNAIL_FORMATS, type ThumbnailFormat } from './tasks/media-thumbnail.js';
export { type BuiltInTask, type BuiltInTasks, builtInTasks } from './tasks/table.js';
export {
  commonJobForm,
  commonJobParams,
  type FileRule,
  pictureError,
  type RequiredField,
  type TaskContract,
  type TaskOptions,
  type TaskOutput,
  taskContract,
} from './tasks/task.js';

// The store: entities, media, insight, persons and search.

export {
  type AuditReport,
  adminEndpoints,
  auditReport,
  auditStore,
  type CleanupReport,
  cleanupReport,
  clearOrphans,
  getStorageUse,
  getStorePreferences,
  getStoreRoot,
  guestModeSaved,
  type PurgeReport,
  purgeReport,
  purgeTrash,
  type StorageUse,
  type StorePreferences,
  type StoreRoot,
  setStoreGuestMode,
  storageUse,
  storePreferences,
  storeRoot,
} from './store/admin.js';
export { STORE_API, storeEndpoints } from './store/api.js';
export {
  createEntity,
  deleteEntity,
  diffVersions,
  entityEndpoints,
  getEntity,
  getMetadata,
  listEntities,
  listVersions,
  lookupEntity,
  patchEntity,
  replaceEntity,
  restoreVersion,
} from './store/entities.js';
export {
  type Entity,
  type EntityList,
  type EntityMetadata,
  type EntityQuery,
  type EntityVersion,
  entity,
  entityList,
  entityMetadata,
  entityQuery,
  entityVersion,
  type FieldChange,
  fieldChange,
  type Pagination,
  pagination,
  type SignedUrls,
  signedUrls,
  VERSION_OPERATIONS,
  type VersionDiff,
  versionDiff,
} from './store/entity.js';
export {
  ENTITY_CHANGES,
  type EntityEvent,
  type EntityStatusEvent,
  entityEvent,
  entityStatusEvent,
  type ItemEvent,
  itemEvent,
  type StoreReading,
  storeReading,
} from './store/events.js';
export { MAX_DESCRIPTION, MAX_LABEL } from './store/fields.js';
export {
  deleteFace,
  type EntityJob,
  entityJob,
  type Face,
  face,
  getClipEmbedding,
  getDinoEmbedding,
  getEntityFaces,
  getEntityJobs,
  getEntityVector,
  getFaceEmbedding,
  getInsightResults,
  getInsightStatus,
  getIntelligence,
  getKnownPerson,
  getKnownPersonFaces,
  type InferenceStatus,
  type InsightResult,
  type InsightStatus,
  type Intelligence,
  inferenceStatus,
  insightResult,
  insightStatus,
  intelligence,
  intelligenceEndpoints,
  type KnownPerson,
  knownPerson,
  listKnownPersons,
  renameKnownPerson,
  retryIntelligence,
} from './store/intelligence.js';
export {
  appendUpload,
  createUpload,
  deleteStream,
  dropUpload,
  getMedia,
  getPreview,
  getStreamFile,
  getStreamManifest,
  mediaEndpoints,
  signUrls,
  UPLOADS_PATH,
  type UploadMetadata,
  uploadMetadata,
} from './store/media.js';
export {
  hideKnownPerson,
  listPersonDecisions,
  mergeKnownPersons,
  moveFace,
  PERSON_DECISIONS,
  type PersonDecision,
  personDecision,
  personEndpoints,
  splitKnownPerson,
  undoPersonDecision,
} from './store/persons.js';
export {
  type DuplicateGroup,
  duplicateGroup,
  getSimilarEntities,
  getSimilarFaces,
  listDuplicates,
  type SearchResult,
  type SearchResults,
  SIMILARITIES,
  type SimilarEntities,
  type SimilarFaces,
  type SimilarityKind,
  searchByPicture,
  searchByText,
  searchEndpoints,
  searchResult,
  searchResults,
  similarEntities,
  similarFace,
  similarFaces,
} from './store/search.js';

// Models and their manifests.

export {
  givenManifest,
  type ImagePreprocessing,
  imagePreprocessing,
  MODEL_ROLES,
  type ModelChoices,
  type ModelContent,
  type ModelManifest,
  type ModelManifestInput,
  type ModelRole,
  modelChoices,
  modelContent,
  modelManifest,
  type TextPreprocessing,
  textPreprocessing,
  yunetPreprocessing,
} from './models/manifest.js';

// The state of the processes that the launcher runs.

export { CHILD_STATES, type ChildReport, type ChildState, childReport, type RunState, runState } from './run-state.js';
