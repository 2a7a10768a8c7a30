// The Worker's secrets in tests: fixed, so that a key made in one test run can be read in the next.

export const TEST_BINDINGS = {
  ADMIN_KEY: "admin-key-of-the-tests-0123456789abcdef",
  BACKEND_SECRET: "backend-secret-of-the-tests-0123456789abcdef",
  KEY_TAG_SECRET: "key-tag-secret-of-the-tests-0123456789abcdef",
  KEY_PEPPER: "key-pepper-of-the-tests-0123456789abcdef",
  STORAGE_SECRET: "storage-secret-of-the-tests-0123456789abcdef",
  CACHE_HMAC_KEY: "cache-hmac-key-of-the-tests-0123456789abcdef",
  SESSION_SECRET: "session-secret-of-the-tests-0123456789abcdef",
  // RFC 8037, A.1: its thumbprint is known.
  SIGNING_KEY: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
  GITHUB_CLIENT_ID: "github-client",
  GITHUB_CLIENT_SECRET: "github-secret",
  GITHUB_ORIGIN: "https://github.test",
  GITHUB_API_ORIGIN: "https://api.github.test",
  STRIPE_SECRET_KEY: "sk_test_1",
  STRIPE_WEBHOOK_SECRET: "whsec_0123456789abcdef0123456789abcdef",
  STRIPE_API_ORIGIN: "https://stripe.test",
} as const;
