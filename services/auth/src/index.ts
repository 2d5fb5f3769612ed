/** The public interface of the auth service: the service itself, its migrations, and the login of the first admin. */
export type { AdminLogin } from './bootstrap-admin.js';
export { AUTH_MIGRATIONS, migrateAuth } from './database/migrations/index.js';
export { type AuthService, type AuthServiceOptions, createAuthService } from './service.js';
