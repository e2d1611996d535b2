"""What a handler gives back, and the error bodies of the service: google.rpc.Status with its details.

Texts and details follow what is known of the service; README.md says which are from memory. Where a
detail is not known, none is sent, so that no client learns to rely on it.
"""
import json

SERVICE = 'cloudkms.googleapis.com'
CODES = {'INVALID_ARGUMENT': 400, 'FAILED_PRECONDITION': 400, 'UNAUTHENTICATED': 401, 'PERMISSION_DENIED': 403,
         'NOT_FOUND': 404, 'RESOURCE_EXHAUSTED': 429, 'INTERNAL': 500, 'UNAVAILABLE': 503, 'DEADLINE_EXCEEDED': 504}
HTML = ('<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>Error {0} ({1})!!1</title>\n'
        '  <p><b>{0}.</b> <ins>That’s an error.</ins>\n')


class Answer:
    """A body that is a dict is sent as JSON, a string as HTML, bytes as they are."""

    def __init__(self, status, body, headers=None):
        self.status, self.body, self.headers = status, body, dict(headers or {})

    def encoded(self):
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            self.headers.setdefault('Content-Type', 'text/html; charset=UTF-8')
            return self.body.encode()
        self.headers.setdefault('Content-Type', 'application/json; charset=UTF-8')
        return json.dumps(self.body, indent=2).encode()


class Refusal(Exception):
    """Ends a request; carries the answer."""

    def __init__(self, answer):
        super().__init__(answer.status)
        self.answer = answer


def refusal(status, message, details=(), headers=None):
    error = {'code': CODES[status], 'message': message, 'status': status}
    if details:
        error['details'] = list(details)
    return Refusal(Answer(CODES[status], {'error': error}, headers))


def html(code, title):
    return Refusal(Answer(code, HTML.format(code, title)))


def error_info(reason, domain='googleapis.com', **metadata):
    return {'@type': 'type.googleapis.com/google.rpc.ErrorInfo', 'reason': reason, 'domain': domain,
            'metadata': metadata or {'service': SERVICE}}


def unauthenticated(reason='ACCESS_TOKEN_EXPIRED'):
    if reason == 'CREDENTIALS_MISSING':
        message = 'Request is missing required authentication credential. '
    else:
        message = 'Request had invalid authentication credentials. '
    message += ('Expected OAuth 2 access token, login cookie or other valid authentication credential. '
                'See https://developers.google.com/identity/sign-in/web/devconsole-project.')
    return refusal('UNAUTHENTICATED', message, [error_info(reason)],
                   {'WWW-Authenticate': 'Bearer realm="https://accounts.google.com/", error="invalid_token"'})


def insufficient_scope():
    return refusal('PERMISSION_DENIED', 'Request had insufficient authentication scopes.',
                   [error_info('ACCESS_TOKEN_SCOPE_INSUFFICIENT')],
                   {'WWW-Authenticate': 'Bearer realm="https://accounts.google.com/", error="insufficient_scope"'})


def denied(permission, resource):
    return refusal('PERMISSION_DENIED',
                   f"Permission '{permission}' denied on resource '{resource}' (or it may not exist).",
                   [error_info('IAM_PERMISSION_DENIED', SERVICE, permission=permission, resource=resource)])


def service_disabled(project):
    url = f'https://console.developers.google.com/apis/api/{SERVICE}/overview?project={project}'
    return refusal('PERMISSION_DENIED',
                   'Cloud Key Management Service (KMS) API has not been used in project '
                   f'{project} before or it is disabled. Enable it by visiting {url} then retry. If you enabled '
                   'this API recently, wait a few minutes for the action to propagate to our systems and retry.',
                   [{'@type': 'type.googleapis.com/google.rpc.Help',
                     'links': [{'description': 'Google developers console API activation', 'url': url}]},
                    error_info('SERVICE_DISABLED', consumer=f'projects/{project}', service=SERVICE)])


def project_refused(reason, project, text):
    return refusal('PERMISSION_DENIED', text.format(project),
                   [error_info(reason, consumer=f'projects/{project}', service=SERVICE)])


def not_enabled(version, state):
    message = f'{version} is not enabled, current state is: {state}.'
    if state != 'DISABLED':
        return refusal('FAILED_PRECONDITION', message)
    return refusal('FAILED_PRECONDITION', message,
                   [{'@type': 'type.googleapis.com/google.rpc.PreconditionFailure',
                     'violations': [{'type': 'KEY_DISABLED', 'subject': version, 'description': message}]}])


def not_found(kind, name):
    return refusal('NOT_FOUND', f'{kind} {name} not found.')


def invalid_field(field, message):
    return refusal('INVALID_ARGUMENT', message,
                   [{'@type': 'type.googleapis.com/google.rpc.BadRequest',
                     'fieldViolations': [{'field': field, 'description': message}]}])


def invalid(message):
    return refusal('INVALID_ARGUMENT', message)


def corrupt_ciphertext():
    return invalid('Decryption failed: the ciphertext is invalid.')


def other_key():
    return invalid("Decryption failed: verify that 'name' refers to the correct CryptoKey.")


def throttled():
    limit = 'quotas/CryptoRequestsPerMinutePerProject'
    return refusal('RESOURCE_EXHAUSTED',
                   f"Quota exceeded for quota metric 'Cryptographic requests' and limit '{limit}' of service "
                   f"'{SERVICE}' for consumer 'project_number:123456789012'.",
                   [error_info('RATE_LIMIT_EXCEEDED', service=SERVICE, consumer='projects/123456789012')])


# Errors that a test asks for by name; p: permission, k: key, v: its newest version, c: the caller's project.
NAMED = {
    'unauthenticated': lambda p, k, v, c: unauthenticated(),
    'insufficient_scope': lambda p, k, v, c: insufficient_scope(),
    'denied': lambda p, k, v, c: denied(p, k),
    'service_disabled': lambda p, k, v, c: service_disabled(c),
    'user_project_denied': lambda p, k, v, c: project_refused(
        'USER_PROJECT_DENIED', c, 'Caller does not have required permission to use project {}.'),
    'billing_disabled': lambda p, k, v, c: project_refused(
        'BILLING_DISABLED', c, 'This API method requires billing to be enabled. Please enable billing on project #{}.'),
    'security_policy': lambda p, k, v, c: project_refused(
        'SECURITY_POLICY_VIOLATED', c, "Request is prohibited by organization's policy (project {})."),
    'disabled': lambda p, k, v, c: not_enabled(v, 'DISABLED'),
    'destroy_scheduled': lambda p, k, v, c: not_enabled(v, 'DESTROY_SCHEDULED'),
    'destroyed': lambda p, k, v, c: not_enabled(v, 'DESTROYED'),
    'pending': lambda p, k, v, c: not_enabled(v, 'PENDING_GENERATION'),
    'not_found': lambda p, k, v, c: not_found('CryptoKey', k),
    'html_not_found': lambda p, k, v, c: html(404, 'Not Found'),
    'html_bad_gateway': lambda p, k, v, c: html(502, 'Server Error'),
    'corrupt_ciphertext': lambda p, k, v, c: corrupt_ciphertext(),
    'other_key': lambda p, k, v, c: other_key(),
    'throttled': lambda p, k, v, c: throttled(),
    'internal': lambda p, k, v, c: refusal('INTERNAL', 'Internal error encountered.'),
    'unavailable': lambda p, k, v, c: refusal('UNAVAILABLE', 'The service is currently unavailable.'),
    'deadline': lambda p, k, v, c: refusal('DEADLINE_EXCEEDED', 'Deadline expired before operation could complete.'),
    'external': lambda p, k, v, c: refusal('UNAVAILABLE', 'The external key manager could not be reached.'),
}
