// The page at /docs/: what /openapi.json says, shown by Swagger UI. It asks nobody but this server: no validator.
SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#page',
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  defaultModelsExpandDepth: 0,
});
