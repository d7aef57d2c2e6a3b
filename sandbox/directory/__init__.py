"""A stand-in for the part of Microsoft Graph v1.0 that Firstpass calls, and for App Service's managed identity."""
