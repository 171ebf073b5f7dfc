"use strict";

// Swagger UI's sanitizer makes a Trusted Types policy as it loads, which the page's Content-Security-Policy forbids.
// It is not needed, since reference.js makes elements instead of HTML; without the interface, none is made.
// The browser goes on to refuse every text that is set as HTML.
Object.defineProperty(window, "trustedTypes", { value: undefined });
