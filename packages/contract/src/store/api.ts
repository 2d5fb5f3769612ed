/** The endpoint table of the store service. */
import type { AnyEndpoint } from '../http/endpoint.js';
import type { ApiInfo } from '../http/openapi.js';
import { jobEndpoints } from '../jobs/endpoints.js';
import { adminEndpoints } from './admin.js';
import { entityEndpoints } from './entities.js';
import { intelligenceEndpoints } from './intelligence.js';
import { mediaEndpoints } from './media.js';
import { personEndpoints } from './persons.js';
import { searchEndpoints } from './search.js';

export const STORE_API: ApiInfo = {
  title: 'CL Server: store',
  version: 'v1',
  description: 'Keeps, versions and finds media and collections. The store also serves the job endpoints of compute.',
};

/** Tasks add their own routes when the service starts: see `taskEndpoint`. */
export const storeEndpoints: readonly AnyEndpoint[] = [
  ...adminEndpoints,
  ...entityEndpoints,
  ...mediaEndpoints,
  ...intelligenceEndpoints,
  ...searchEndpoints,
  ...personEndpoints,
  ...jobEndpoints,
];
