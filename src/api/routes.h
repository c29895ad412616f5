// The table of routes: everything this server answers, on its public and on its admin port.
#pragma once

#include "api/context.h"
#include "net/router.h"

namespace millrace::api {

// The context outlives the routers' handlers.
void add_public_routes(net::Router& router, const ApiContext& context);
void add_admin_routes(net::Router& router, const ApiContext& context);

}  // namespace millrace::api
