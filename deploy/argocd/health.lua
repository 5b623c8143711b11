-- The health of a PresignedUrl for Argo CD: the value of
-- resource.customizations.health.presign.dev_PresignedUrl in the ConfigMap argocd-cm.
local function condition(kind)
  for _, found in ipairs((obj.status or {}).conditions or {}) do
    if found.type == kind then
      return found
    end
  end
end

local ready = condition("Ready")
if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "being deleted" }
end
-- A status that is older than the spec says nothing about it.
if ready == nil or (obj.status.observedGeneration or -1) < obj.metadata.generation then
  return { status = "Progressing", message = "not reconciled yet" }
end
if condition("Stalled") ~= nil and condition("Stalled").status == "True" then
  return { status = "Degraded", message = ready.message }
end
if ready.reason == "Suspended" then
  return { status = "Suspended", message = ready.message }
end
if ready.status == "True" then
  return { status = "Healthy", message = ready.message }
end
if ready.status == "False" then
  return { status = "Degraded", message = ready.message }
end
return { status = "Progressing", message = ready.message }
