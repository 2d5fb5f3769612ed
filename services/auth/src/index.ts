export type { AdminLogin } from './bootstrap-admin.js';
export { AUTH_MIGRATIONS, migrateAuth } from './database/migrations/index.js';
export { type AuthService, type AuthServiceOptions, createAuthService } from './service.js';
