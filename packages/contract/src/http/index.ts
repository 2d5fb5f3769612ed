/** HTTP: the form of endpoints, fields, errors and lists, and the endpoints of every service. */

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
} from './endpoint.js';
export { type ErrorBody, errorBody, type ValidationItem, validationItem } from './errors.js';
export { type Bounds, type FieldIssue, field, reject } from './field.js';
export { isUnsafeKey, jsonFault, MAX_JSON_DEPTH, MAX_JSON_VALUES, parseJson } from './json-bounds.js';
export { listOf, listQuery } from './list.js';
export { type ApiInfo, impliedErrors, jsonSchemaOf, openApiDocument } from './openapi.js';
export { livez, metrics, type Readiness, readiness, readyz, systemEndpoints } from './system.js';
