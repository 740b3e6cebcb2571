"""What template.yaml becomes in CloudFormation: translated as `sam deploy` does it, without an account.

`sam validate --lint` takes misspelt stream modes for good, and some of them give an answer that is collected before it
is sent. So each choice that a reader would notice is checked in the outcome, and each check is shown a template that
breaks it.
"""

import copy
import logging
import re
import unittest
from pathlib import Path
from unittest.mock import patch

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

ROOT = Path(__file__).resolve().parents[2]
ACTIONS = ["dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"]
LOG_ACTIONS = ["logs:CreateLogStream", "logs:PutLogEvents"]


def template():
    return yaml_parse((ROOT / "template.yaml").read_text())


class NoManagedPolicies:
    """The one thing that the translator would ask of an account."""

    def load(self):
        return {}


def translate(source):
    source = copy.deepcopy(source)
    # What `sam package` does: the code is in a bucket.
    source["Resources"]["Function"]["Properties"]["CodeUri"] = "s3://bucket/key"
    with patch.object(boto3.session.Session, "region_name", "eu-central-1"):
        return transform(source, {}, NoManagedPolicies())


def resources(outcome, kind):
    return {name: it for name, it in outcome["Resources"].items() if it["Type"] == kind}


def check_stream(outcome):
    (url,) = resources(outcome, "AWS::Lambda::Url").values()
    assert url["Properties"]["InvokeMode"] == "RESPONSE_STREAM", "the function URL collects what it should stream"
    assert url["Properties"]["AuthType"] == "NONE", "a browser cannot sign"
    assert "Cors" not in url["Properties"], "the platform's CORS headers replace the function's own"
    # Since October 2025 a function URL needs two: docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    everybody = []
    for permission in resources(outcome, "AWS::Lambda::Permission").values():
        properties = permission["Properties"]
        assert properties["Principal"] in ("*", "apigateway.amazonaws.com")
        if properties["Principal"] == "*":
            assert properties["FunctionName"] == {"Ref": "Function"} and "Condition" not in permission
            rest = set(properties) - {"FunctionName", "Principal"}
            everybody.append({name: properties[name] for name in rest})
    everybody.sort(key=lambda properties: properties["Action"])
    assert everybody == [
        {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
        {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
    ], "everybody may call the function by its URL, and by nothing else"


def check_rest_api(outcome):
    (api,) = resources(outcome, "AWS::ApiGateway::RestApi").values()
    assert api["Condition"] == "WithRestApi"
    assert api["Properties"]["EndpointConfiguration"] == {"Types": ["REGIONAL"]}, "an edge cuts silent streams"
    paths = api["Properties"]["Body"]["paths"]
    assert set(paths) == {"/", "/{proxy+}"}, "every path is the function's"
    for path, methods in paths.items():
        assert list(methods) == ["x-amazon-apigateway-any-method"], f"{path}: every method is the function's"
        integration = methods["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]
        assert integration["type"] == "aws_proxy"
        assert integration["responseTransferMode"] == "STREAM", f"{path} is collected"
        uri = integration["uri"]["Fn::Sub"]
        assert uri.endswith(
            ":lambda:path/2021-11-15/functions/${Function.Arn}/response-streaming-invocations"
        ), f"{path} is invoked by an address that does not stream"
    for kind in ("Stage", "Deployment"):
        for it in resources(outcome, f"AWS::ApiGateway::{kind}").values():
            assert it["Condition"] == "WithRestApi", f"a {kind} without being asked for"
    permissions = resources(outcome, "AWS::Lambda::Permission").values()
    (theirs,) = [it for it in permissions if it["Properties"]["Principal"] == "apigateway.amazonaws.com"]
    assert theirs["Condition"] == "WithRestApi"
    assert "${RestApi}/live/" in theirs["Properties"]["SourceArn"]["Fn::Sub"], "any API may call"


def check_role(outcome):
    ((name, role),) = resources(outcome, "AWS::IAM::Role").items()
    assert outcome["Resources"]["Function"]["Properties"]["Role"] == {"Fn::GetAtt": [name, "Arn"]}
    assert "ManagedPolicyArns" not in role["Properties"], "a managed policy reaches beyond this stack"
    policies = {it["PolicyName"]: it["PolicyDocument"]["Statement"] for it in role["Properties"]["Policies"]}
    assert policies == {
        "table": [{"Effect": "Allow", "Action": ACTIONS, "Resource": {"Fn::GetAtt": ["Table", "Arn"]}}],
        "log": [{"Effect": "Allow", "Action": LOG_ACTIONS, "Resource": {"Fn::GetAtt": ["Log", "Arn"]}}],
    }, "the function may do what it does, with what is its own"


def check_table(outcome):
    table = outcome["Resources"]["Table"]
    properties = table["Properties"]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain", "what was stored stays"
    assert {it["AttributeName"]: it["AttributeType"] for it in properties["AttributeDefinitions"]} == {
        "channel": "S",
        "id": "N",
    }
    assert [(it["AttributeName"], it["KeyType"]) for it in properties["KeySchema"]] == [
        ("channel", "HASH"),
        ("id", "RANGE"),
    ]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def check_function(outcome):
    properties = outcome["Resources"]["Function"]["Properties"]
    assert properties["Runtime"] == "provided.al2023"
    assert properties["Architectures"] == ["arm64"]
    assert properties["LoggingConfig"] == {"LogGroup": {"Ref": "Log"}}
    assert properties["ReservedConcurrentExecutions"] == {
        "Fn::If": ["Reserved", {"Ref": "ReservedConcurrency"}, {"Ref": "AWS::NoValue"}]
    }, "the brake on the bill"
    assert properties["Environment"]["Variables"]["TABLE_NAME"] == {"Ref": "Table"}
    assert "RetentionInDays" in outcome["Resources"]["Log"]["Properties"], "log lines are billed for ever"


def check_environment(outcome):
    # A test of the README holds its table to the code.
    (table,) = re.findall(r"^## Settings$(.*?)^## ", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    names = set(re.findall(r"^\| ([A-Z_]+) \|", table, re.MULTILINE))
    variables = outcome["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    assert len(variables) >= 10
    unknown = set(variables) - names
    assert not unknown, f"no settings: {unknown}"


CHECKS = [check_stream, check_rest_api, check_role, check_table, check_function, check_environment]


class Template(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        logging.disable(logging.WARNING)  # the translator's, about its own features
        cls.source = template()

    def test_it_becomes_what_it_should(self):
        outcome = translate(self.source)
        for check in CHECKS:
            with self.subTest(check.__name__):
                check(outcome)

    def test_the_least_timeout_lets_every_post_be_answered(self):
        limits = (ROOT / "shared/src/limits.rs").read_text()
        longest = int(re.search(r"const CHANNEL_TIMEOUT: \w+ = \w+::from_secs\((\d+)\)", limits).group(1))
        self.assertGreater(self.source["Parameters"]["Timeout"]["MinValue"], longest)

    def test_each_check_refuses_what_breaks_it(self):
        def properties(broken, resource):
            return broken["Resources"][resource]["Properties"]

        def variables(broken):
            return properties(broken, "Function")["Environment"]["Variables"]

        def url(broken):
            return properties(broken, "Function")["FunctionUrlConfig"]

        def integration(broken):
            path = properties(broken, "RestApi")["DefinitionBody"]["paths"]["/{proxy+}"]
            return path["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]

        def ttl(broken):
            return properties(broken, "Table")["TimeToLiveSpecification"]

        def statement(broken):
            return properties(broken, "Role")["Policies"][0]["PolicyDocument"]["Statement"][0]

        def buffered_uri(broken):
            uri = integration(broken)["uri"]["Fn::Sub"]
            integration(broken)["uri"]["Fn::Sub"] = uri.replace("response-streaming-", "")

        for check, change in [
            (check_stream, lambda it: url(it).update(InvokeMode="STREAMING")),
            (check_stream, lambda it: url(it).update(InvokeMode="BUFFERED")),
            (check_stream, lambda it: url(it).pop("InvokeMode")),
            (check_stream, lambda it: url(it).update(AuthType="AWS_IAM")),
            (check_stream, lambda it: url(it).update(Cors={"AllowOrigins": ["*"]})),
            (check_rest_api, lambda it: integration(it).update(responseTransferMode="RESPONSE_STREAM")),
            (check_rest_api, lambda it: integration(it).pop("responseTransferMode")),
            (check_rest_api, buffered_uri),
            (check_rest_api, lambda it: properties(it, "RestApi").pop("EndpointConfiguration")),
            (check_rest_api, lambda it: it["Resources"]["RestApi"].pop("Condition")),
            (check_role, lambda it: statement(it)["Action"].append("dynamodb:Scan")),
            (check_role, lambda it: statement(it).update(Action="dynamodb:*")),
            (check_role, lambda it: statement(it).update(Resource="*")),
            (check_role, lambda it: properties(it, "Function").pop("Role")),
            (check_table, lambda it: ttl(it).update(AttributeName="expiry")),
            (check_table, lambda it: properties(it, "Table")["KeySchema"][1].update(AttributeName="seq")),
            (check_table, lambda it: it["Resources"]["Table"].pop("DeletionPolicy")),
            (check_function, lambda it: properties(it, "Function").update(Architectures=["x86_64"])),
            (check_function, lambda it: properties(it, "Function").pop("ReservedConcurrentExecutions")),
            (check_environment, lambda it: variables(it).update(STREAM_SECONDS="1")),
        ]:
            broken = copy.deepcopy(self.source)
            change(broken)
            with self.subTest(check.__name__), self.assertRaises((AssertionError, KeyError, ValueError)):
                check(translate(broken))

    def test_the_check_of_the_stream_refuses_other_permissions(self):
        def permission(outcome, action):
            permissions = resources(outcome, "AWS::Lambda::Permission").items()
            found = [(name, it["Properties"]) for name, it in permissions if it["Properties"]["Action"] == action]
            return next((name, it) for name, it in found if it["Principal"] == "*")

        def drop(outcome, action):
            outcome["Resources"].pop(permission(outcome, action)[0])

        # The translator makes them, so they are broken in what it makes.
        sound = translate(self.source)
        check_stream(sound)
        for change in [
            lambda it: drop(it, "lambda:InvokeFunction"),
            lambda it: drop(it, "lambda:InvokeFunctionUrl"),
            lambda it: permission(it, "lambda:InvokeFunction")[1].pop("InvokedViaFunctionUrl"),
            lambda it: permission(it, "lambda:InvokeFunctionUrl")[1].update(FunctionUrlAuthType="AWS_IAM"),
            lambda it: permission(it, "lambda:InvokeFunctionUrl")[1].update(FunctionName="another"),
        ]:
            broken = copy.deepcopy(sound)
            change(broken)
            with self.subTest(), self.assertRaises(AssertionError):
                check_stream(broken)


if __name__ == "__main__":
    unittest.main()
