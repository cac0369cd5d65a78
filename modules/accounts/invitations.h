// Who may join a team: POST, GET /api/v1/teams/{id}/invitations, DELETE .../{invitationId}, and
// POST /api/v1/invitations/{token}/accept. The link has the token, and the database its SHA-256 alone.
#pragma once

#include <plugfleet/module.h>

namespace accounts {

std::vector<plugfleet::Route> invitation_routes();

}  // namespace accounts
