import automl_ad.rpc.v1.ScoringServiceGrpc;
import automl_ad.rpc.v1.Scoring.DoubleMatrix;
import automl_ad.rpc.v1.Scoring.ListModelsRequest;
import automl_ad.rpc.v1.Scoring.Model;
import automl_ad.rpc.v1.Scoring.ScoreRequest;
import automl_ad.rpc.v1.Scoring.ScoreResponse;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** A client in Java: finds a model in the list, scores two rows of zeros, and is refused for rows that are too wide. */
public final class ScoreClient {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    /** Arguments: HOST:PORT and MODEL, then a CA file and a file of a token where the server has TLS. */
    public static void main(String[] arguments) throws Exception {
        ManagedChannel channel = channel(arguments);
        try {
            ScoringServiceGrpc.ScoringServiceBlockingStub stub = stub(channel, arguments);
            for (Model model : stub.listModels(ListModelsRequest.getDefaultInstance()).getModelsList()) {
                if (model.getName().equals(arguments[1])) {
                    System.out.printf("model %s %s%n", model.getName(), model.getVersion());
                    score(stub, model);
                    refuse(stub, model);
                }
            }
        } finally {
            channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
        }
    }

    private static ManagedChannel channel(String[] arguments) throws Exception {
        NettyChannelBuilder builder = NettyChannelBuilder.forTarget(arguments[0]);
        if (arguments.length == 2) {
            return builder.usePlaintext().build();
        }
        return builder.sslContext(GrpcSslContexts.forClient().trustManager(new File(arguments[2])).build()).build();
    }

    private static ScoringServiceGrpc.ScoringServiceBlockingStub stub(ManagedChannel channel, String[] arguments)
            throws IOException {
        ScoringServiceGrpc.ScoringServiceBlockingStub stub = ScoringServiceGrpc.newBlockingStub(channel);
        Metadata metadata = new Metadata();
        if (arguments.length > 3) {
            metadata.put(AUTHORIZATION, "Bearer " + Files.readString(Path.of(arguments[3])).strip());
        }
        return stub.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata))
                .withDeadlineAfter(30, TimeUnit.SECONDS);
    }

    private static void score(ScoringServiceGrpc.ScoringServiceBlockingStub stub, Model model) {
        ScoreResponse answer = stub.score(request(model, model.getFeaturesCount()));
        System.out.printf("scores %s anomalies %s%n", answer.getAnomalyScoreList(), answer.getIsAnomalyList());
    }

    private static void refuse(ScoringServiceGrpc.ScoringServiceBlockingStub stub, Model model) {
        try {
            stub.score(request(model, model.getFeaturesCount() + 1));
        } catch (StatusRuntimeException refused) {
            if (refused.getStatus().getCode() != Status.Code.INVALID_ARGUMENT) {
                throw refused;
            }
            System.out.printf("refused %s%n", refused.getMessage());
            return;
        }
        throw new IllegalStateException("rows with one value too many were accepted");
    }

    /** Two rows of zeros. */
    private static ScoreRequest request(Model model, int nFeatures) {
        DoubleMatrix.Builder matrix = DoubleMatrix.newBuilder().setNFeatures(nFeatures);
        for (int position = 0; position < 2 * nFeatures; position++) {
            matrix.addValues(0.0);
        }
        return ScoreRequest.newBuilder().setModel(model.getName()).setDoubleMatrix(matrix).build();
    }
}
