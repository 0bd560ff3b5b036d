//! Role assignments of any scope (Microsoft.Authorization).

use super::{Answer, Arm};
use crate::access::{covers, permissions};
use crate::online::rules::Refusal;
use crate::surface::Reply;
use crate::world::Assignment;
use serde_json::{Value, json};
use uuid::Uuid;

impl Arm<'_> {
    pub(super) fn roles(&self) -> Answer {
        let (scope, name) = self.scope();
        let verb = match self.call.method.as_str() {
            "GET" => "read",
            "DELETE" => "delete",
            _ => "write",
        };
        let action = format!("Microsoft.Authorization/roleAssignments/{verb}");
        self.estate.authorize(&self.claims, &action, &scope)?;
        match (self.call.method.as_str(), name.as_str()) {
            ("GET", "") => self.list_roles(&scope),
            ("GET", name) => {
                let world = self.estate.world();
                let known = world.assignment(name).filter(|known| known.scope.eq_ignore_ascii_case(&scope));
                known.map(|known| Reply::ok(shown(known))).ok_or_else(|| missing(name))
            }
            ("PUT", name) if !name.is_empty() => self.put_role(&scope, name),
            ("DELETE", name) if !name.is_empty() => {
                let mut world = self.estate.world();
                let there = world.assignment(name).is_some_and(|known| known.scope.eq_ignore_ascii_case(&scope));
                let removed = if there { world.remove_assignment(name) } else { None };
                Ok(removed.map_or_else(|| Reply::empty(204), |removed| Reply::ok(shown(&removed))))
            }
            _ => Ok(Reply::not_allowed()),
        }
    }

    /// `GET permissions`: what the roles of who asks give in a scope.
    pub(super) fn permissions(&self) -> Answer {
        let at = self.keys.len().saturating_sub(3);
        let scope = format!("/{}", self.segments.get(..at).unwrap_or_default().join("/"));
        let (world, now) = (self.estate.world(), self.estate.clock.now());
        let own = world.assignments().filter(|known| {
            known.principal.eq_ignore_ascii_case(&self.claims.oid)
                && covers(&known.scope, &scope)
                && known.from.is_none_or(|from| from <= now)
        });
        let shown = own.map(|known| {
            let given = permissions(&known.role);
            json!({
                "actions": given.actions, "notActions": given.not_actions, "dataActions": given.data_actions,
                "notDataActions": [],
            })
        });
        let shown: Vec<Value> = shown.collect();
        drop(world);
        if shown.is_empty() {
            self.estate.authorize(&self.claims, "Microsoft.Authorization/permissions/read", &scope)?;
        }
        Ok(Reply::ok(self.call.page_at(&self.id(), shown, self.estate.manners.page_size())))
    }

    /// The scope, in the case it was sent, and the assignment's name.
    fn scope(&self) -> (String, String) {
        let at = self.keys.iter().rposition(|key| key == "roleassignments").unwrap_or_default();
        let scope = self.segments.get(..at.saturating_sub(2)).unwrap_or_default().join("/");
        (format!("/{scope}"), self.segments.get(at + 1).cloned().unwrap_or_default())
    }

    fn list_roles(&self, scope: &str) -> Answer {
        let filter = self.call.text("$filter").unwrap_or_default();
        let quoted = |name: &str| {
            let (_, rest) = filter.split_once(name)?;
            rest.split('\'').nth(1).map(str::to_owned)
        };
        let principal = quoted("principalId eq").or_else(|| quoted("assignedTo("));
        let at_scope = filter.to_ascii_lowercase().contains("atscope()");
        let world = self.estate.world();
        let found = world.assignments().filter(|known| {
            let counts = covers(&known.scope, scope) || (!at_scope && covers(scope, &known.scope));
            counts && principal.as_ref().is_none_or(|principal| known.principal.eq_ignore_ascii_case(principal))
        });
        Ok(Reply::ok(self.call.page_at(&self.id(), found.map(shown).collect(), 100)))
    }

    fn put_role(&self, scope: &str, name: &str) -> Answer {
        let text = |field: &str| self.call.body.pointer(&format!("/properties/{field}")).and_then(Value::as_str);
        if Uuid::parse_str(name).is_err() {
            return Err(bad(
                "InvalidRoleAssignmentId",
                format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."),
            ));
        }
        let role = text("roleDefinitionId").and_then(|id| id.rsplit('/').next()).unwrap_or_default();
        if Uuid::parse_str(role).is_err() {
            return Err(bad(
                "RoleDefinitionDoesNotExist",
                format!("The specified role definition with ID '{role}' does not exist."),
            ));
        }
        let principal = text("principalId").unwrap_or_default();
        if Uuid::parse_str(principal).is_err() {
            return Err(bad(
                "InvalidPrincipalId",
                format!("The principal ID '{principal}' is not valid. The principal ID must be a GUID."),
            ));
        }
        let mut world = self.estate.world();
        let principal_type = text("principalType").map(str::to_owned);
        let known_principal = world.principals().any(|known| known.object_id.eq_ignore_ascii_case(principal));
        if principal_type.is_none() && !known_principal {
            return Err(bad(
                "PrincipalNotFound",
                format!(
                    "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.",
                    principal.replace('-', ""),
                    self.claims.tid
                ),
            ));
        }
        let made = Assignment {
            id: name.to_owned(),
            scope: scope.to_owned(),
            principal: principal.to_owned(),
            role: role.to_ascii_lowercase(),
            principal_type,
            description: text("description").map(str::to_owned),
            from: self.estate.clock.now().checked_add(self.estate.manners.role_delay()).ok(),
        };
        let same = |known: &Assignment| {
            known.scope.eq_ignore_ascii_case(&made.scope)
                && known.principal.eq_ignore_ascii_case(&made.principal)
                && known.role == made.role
        };
        match world.assignment(name) {
            Some(known) if same(known) => return Ok(Reply::ok(shown(known))),
            Some(_) => {
                let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.";
                return Err(Refusal {
                    status: 409,
                    code: "RoleAssignmentUpdateNotPermitted",
                    message: message.to_owned(),
                });
            }
            None => {}
        }
        if let Some(known) = world.assignments().find(|known| same(known)) {
            let message = format!(
                "The role assignment already exists. The ID of the existing role assignment is {}.",
                known.id.replace('-', "")
            );
            return Err(Refusal { status: 409, code: "RoleAssignmentExists", message });
        }
        let body = shown(&made);
        world.put_assignment(made);
        Ok(Reply { status: 201, body, begun: None })
    }
}

fn bad(code: &'static str, message: String) -> Refusal {
    Refusal { status: 400, code, message }
}

fn missing(name: &str) -> Refusal {
    Refusal {
        status: 404,
        code: "RoleAssignmentNotFound",
        message: format!("The role assignment '{name}' is not found."),
    }
}

/// An assignment as it is shown.
pub(crate) fn shown(known: &Assignment) -> Value {
    let subscription = known.scope.split('/').nth(2).unwrap_or_default();
    let definition =
        format!("/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}", known.role);
    json!({
        "id": format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", known.scope.trim_end_matches('/'), known.id),
        "name": known.id,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": definition, "principalId": known.principal, "scope": known.scope,
            "principalType": known.principal_type.as_deref().unwrap_or("ServicePrincipal"),
            "description": known.description,
        },
    })
}
